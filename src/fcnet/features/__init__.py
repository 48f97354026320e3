"""Features: transformations of the inputs, fitted on the training part alone and without labels."""

from fcnet.features.patches import PatchFeatures
from fcnet.features.representation import PatchRepresentation
from fcnet.features.scaling import Scaling
from fcnet.features.whitening import MirrorCovariance, MirrorWhitening
from fcnet.features.zca import ZCA

__all__ = ["ZCA", "MirrorCovariance", "MirrorWhitening", "PatchFeatures", "PatchRepresentation", "Scaling"]
