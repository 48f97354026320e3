"""Features: transformations of the inputs, fitted on the training part alone and without labels."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fcnet.errors import missing_package
from fcnet.preprocessing.histograms import HistogramFeatures
from fcnet.preprocessing.patches import PatchFeatures
from fcnet.preprocessing.preparation import Preparation, preparation_from
from fcnet.preprocessing.representation import PatchRepresentation
from fcnet.preprocessing.scaling import Scaling
from fcnet.preprocessing.stacked import StackedPatches
from fcnet.preprocessing.table import TableFeatures
from fcnet.preprocessing.whitening import MirrorCovariance, MirrorWhitening, even_and_odd
from fcnet.preprocessing.zca import ZCA

if TYPE_CHECKING:
    from fcnet.preprocessing.transformers import HistogramTransformer as HistogramTransformer
    from fcnet.preprocessing.transformers import PatchTransformer as PatchTransformer
    from fcnet.preprocessing.transformers import PCAWhitening as PCAWhitening
    from fcnet.preprocessing.transformers import ZCAWhitening as ZCAWhitening

TRANSFORMERS = ("HistogramTransformer", "PCAWhitening", "PatchTransformer", "ZCAWhitening")

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
    "TableFeatures",
    "even_and_odd",
    "preparation_from",
]


def __getattr__(name: str) -> Any:
    """Import a transformer when it is first used: they subclass scikit-learn's, which features do without."""
    if name not in TRANSFORMERS:
        raise AttributeError(f"module 'fcnet.preprocessing' has no attribute {name!r}")
    try:
        return getattr(import_module("fcnet.preprocessing.transformers"), name)
    except ModuleNotFoundError as error:
        raise missing_package(name, error) from None


def __dir__() -> list[str]:
    return sorted({*globals(), *TRANSFORMERS})
