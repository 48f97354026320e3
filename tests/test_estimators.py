"""The estimators as scikit-learn's users use them."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fcnet import FCNetClassifier, FCNetRegressor


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([FCNetClassifier(), FCNetRegressor()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)
