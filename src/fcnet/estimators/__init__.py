"""Estimators that take the place of scikit-learn's `MLPClassifier` and `MLPRegressor`."""

from fcnet.estimators.classifier import FCNetClassifier
from fcnet.estimators.regressor import FCNetRegressor

__all__ = ["FCNetClassifier", "FCNetRegressor"]
