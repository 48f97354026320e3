"""Preprocessing: transformations of the inputs, fitted on the training part alone and without labels."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fcnet.preprocessing.base import Preprocessor, preprocessor_from
from fcnet.preprocessing.fitting import Prepared, TrainingRows
from fcnet.preprocessing.histograms import HistogramFeatures, Histograms
from fcnet.preprocessing.patch_settings import Patches
from fcnet.preprocessing.patches import PatchFeatures
from fcnet.preprocessing.pca import PCA
from fcnet.preprocessing.pixels import Pixels
from fcnet.preprocessing.representation import PatchRepresentation
from fcnet.preprocessing.scaling import Scaling
from fcnet.preprocessing.stacked import StackedPatches
from fcnet.preprocessing.table import TableFeatures
from fcnet.preprocessing.table_settings import Table
from fcnet.preprocessing.whitening import MirrorCovariance, MirrorWhitening, even_and_odd
from fcnet.preprocessing.zca import ZCA

Preprocessing = Pixels | Histograms | Patches | Table  # another kind joins the recipes, and the model files, here


def for_data(settings: Preprocessing, *, is_table: bool) -> Preprocessing:
    """Return what standardises a table where `settings` standardise rows of numbers, and the other way round."""
    if settings == (Pixels() if is_table else Table()):
        return Table() if is_table else Pixels()
    return settings


if TYPE_CHECKING:
    from fcnet.preprocessing.transformers import HistogramTransformer as HistogramTransformer
    from fcnet.preprocessing.transformers import PatchTransformer as PatchTransformer
    from fcnet.preprocessing.transformers import PCAWhitening as PCAWhitening
    from fcnet.preprocessing.transformers import ZCAWhitening as ZCAWhitening

TRANSFORMERS = ("HistogramTransformer", "PCAWhitening", "PatchTransformer", "ZCAWhitening")

__all__ = [
    "PCA",
    "ZCA",
    "HistogramFeatures",
    "Histograms",
    "MirrorCovariance",
    "MirrorWhitening",
    "PatchFeatures",
    "PatchRepresentation",
    "Patches",
    "Pixels",
    "Prepared",
    "Preprocessing",
    "Preprocessor",
    "Scaling",
    "StackedPatches",
    "Table",
    "TableFeatures",
    "TrainingRows",
    "even_and_odd",
    "for_data",
    "preprocessor_from",
]


def __getattr__(name: str) -> Any:
    """Import a transformer when it is first used: scikit-learn, which they subclass, takes a while."""
    if name not in TRANSFORMERS:
        raise AttributeError(f"module 'fcnet.preprocessing' has no attribute {name!r}")
    return getattr(import_module("fcnet.preprocessing.transformers"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *TRANSFORMERS})
