"""The features as scikit-learn's users use them."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from fcnet.features import HistogramTransformer, PatchTransformer, PCAWhitening, ZCAWhitening

TRANSFORMERS = [PCAWhitening(), ZCAWhitening(), HistogramTransformer(), PatchTransformer()]


@parametrize_with_checks(TRANSFORMERS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
