"""Features: transformations of the inputs, fitted on the training part alone and without labels."""

from fcnet.features.histograms import HistogramFeatures
from fcnet.features.patches import PatchFeatures
from fcnet.features.preparation import Preparation, preparation_from
from fcnet.features.representation import PatchRepresentation
from fcnet.features.scaling import Scaling
from fcnet.features.stacked import StackedPatches
from fcnet.features.whitening import MirrorCovariance, MirrorWhitening, even_and_odd
from fcnet.features.zca import ZCA

__all__ = [
    "ZCA",
    "HistogramFeatures",
    "MirrorCovariance",
    "MirrorWhitening",
    "PatchFeatures",
    "PatchRepresentation",
    "Preparation",
    "Scaling",
    "StackedPatches",
    "even_and_odd",
    "preparation_from",
]
