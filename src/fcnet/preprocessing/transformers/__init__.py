"""The features as transformers of scikit-learn, for its pipelines and searches."""

from fcnet.preprocessing.transformers.images import HistogramTransformer, PatchTransformer
from fcnet.preprocessing.transformers.whitening import PCAWhitening, ZCAWhitening

__all__ = ["HistogramTransformer", "PCAWhitening", "PatchTransformer", "ZCAWhitening"]
