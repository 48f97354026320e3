"""The features as transformers of scikit-learn, for its pipelines and searches."""

from fcnet.features.transformers.images import HistogramTransformer, PatchTransformer
from fcnet.features.transformers.whitening import PCAWhitening, ZCAWhitening

__all__ = ["HistogramTransformer", "PCAWhitening", "PatchTransformer", "ZCAWhitening"]
