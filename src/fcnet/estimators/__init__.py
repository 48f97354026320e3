"""Estimators: in place of scikit-learn's `MLPClassifier` and `MLPRegressor`, and for tables as they are."""

from fcnet.estimators.classifier import FCNetClassifier
from fcnet.estimators.regressor import FCNetRegressor
from fcnet.estimators.tabular_classifier import TabularClassifier
from fcnet.estimators.tabular_regressor import TabularRegressor

__all__ = ["FCNetClassifier", "FCNetRegressor", "TabularClassifier", "TabularRegressor"]
