"""The settings of patch features: dictionaries of one or several sizes, and the whitening of their features."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from fcnet.errors import SettingError
from fcnet.preprocessing.fitting import Prepared, PreprocessorSettings, TrainingRows
from fcnet.preprocessing.learning import LearntRepresentation
from fcnet.preprocessing.representation import dictionary_of
from fcnet.preprocessing.views import Views
from fcnet.settings import Count, NotNegative


class Patches(PreprocessorSettings, frozen=True, tag="patches"):
    """Responses of patches to dictionaries learnt without labels, pooled and whitened together: a `PatchRepresentation`.

    Each of `patch_sizes` has a dictionary with its share of `n_filters`: a `PatchFeatures`, or unless `map_filters` is 0 a
    `StackedPatches`. The other settings of feature maps have no effect without `map_filters`.
    """

    has_mean_of_views: ClassVar[bool] = True
    n_filters: Annotated[
        int,
        Meta(ge=2, description="Filters, half of them flips of the others; each size has its share."),
    ] = 1600
    patch_sizes: Annotated[
        tuple[Count, ...], Meta(min_length=1, description="Height and width of the patches, a dictionary for each.")
    ] = (6,)
    threshold: Annotated[NotNegative, Meta(description="What a response to a filter has to exceed.")] = 0.25
    grid: Annotated[Count, Meta(description="Cells down and across an image, over which responses are averaged.")] = 2
    map_filters: Annotated[
        int,
        Meta(
            ge=0,
            description="Unless 0, patches are not of pixels but of feature maps: the responses to so many filters of pixels, "
            "pooled over 2 × 2 positions and reduced to map_channels. Even, as shift has to be, too.",
        ),
    ] = 0
    map_patch_size: Annotated[
        tuple[Count, ...],
        Meta(
            min_length=1,
            description="Height and width of the patches of pixels below the feature maps, for all or for each of patch_sizes; "
            "their places in an image have to be even in number down and across.",
        ),
    ] = (5,)
    map_channels: Annotated[
        int, Meta(ge=2, description="Principal components of those responses; even, at most twice map_filters.")
    ] = 64
    map_layers: Annotated[
        tuple[Count, ...],
        Meta(
            min_length=1,
            description="Layers of feature maps, for all or for each of patch_sizes. With 2, twice as many filters on patches "
            "of 3 × 3 places are in between, and the places of patches of pixels have to be a multiple of 4 in number.",
        ),
    ] = (1,)
    n_components: Annotated[
        Count, Meta(description="Principal components that the network sees; fewer where the training images give no more.")
    ] = 3072
    regularisation: Annotated[
        float,
        Meta(
            ge=1e-6,
            description="Added to the variance of each component, in units of the mean variance of a feature, before it is "
            "divided by the square root; all are then scaled to a mean variance of ½.",
        ),
    ] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_filters % (2 * len(self.patch_sizes)):
            raise SettingError(
                f"n_filters must be a multiple of 2 for each of patch_sizes, got {self.n_filters} for {list(self.patch_sizes)}."
            )
        for settings in self.dictionaries():
            dictionary_of(settings)

    def _check(self, views: Views, is_table: bool) -> None:
        for settings in self.dictionaries(views.shift):
            dictionary_of(settings).set_shape(self._shape(views.image_shape))

    def fit(self, rows: TrainingRows) -> Prepared:
        """Learn the features of the training images, or take them from the cache."""
        learnt = LearntRepresentation(
            rows.X,
            self._shape(rows.image_shape),
            self.dictionaries(rows.shift, rows.max_value),
            self.n_components,
            self.regularisation,
            rows.seed,
            matmul=rows.matmul,
            unit_mean=rows.mean_of_views,
        )
        representation, components = learnt.learn()
        return Prepared(representation, components.astype(rows.dtype, copy=False), learnt.seconds)

    def dictionaries(self, shift: int = 0, max_value: float = 255.0) -> list[dict[str, Any]]:
        """Return the arguments of `PatchFeatures` or `StackedPatches` for each size of patches.

        Raises
        ------
        SettingError
            If there is neither one map_patch_size nor one for each patch size, or so of map_layers.
        """
        n = len(self.patch_sizes)
        common: dict[str, Any] = {"n_filters": self.n_filters // n, "threshold": self.threshold, "grid": self.grid}
        common |= {"shift": shift, "max_value": max_value}
        each = [{"patch_size": size} for size in self.patch_sizes]
        if self.map_filters:
            common |= {"map_filters": self.map_filters, "map_channels": self.map_channels}
            for name, values in (("map_patch_size", self.map_patch_size), ("map_layers", self.map_layers)):
                if len(values) not in (1, n):
                    raise SettingError(f"{name} needs one number, or one for each of {n} patch_sizes: {list(values)}.")
                each = [part | {name: values[i % len(values)]} for i, part in enumerate(each)]
        return [common | part for part in each]
