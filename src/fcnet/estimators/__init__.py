"""Estimators that take the place of scikit-learn's `MLPClassifier` and `MLPRegressor`."""

from fcnet.errors import missing_package

try:
    from fcnet.estimators.classifier import FCNetClassifier
    from fcnet.estimators.regressor import FCNetRegressor
except ModuleNotFoundError as error:
    raise missing_package("FCNetClassifier or FCNetRegressor", error) from None

__all__ = ["FCNetClassifier", "FCNetRegressor"]
