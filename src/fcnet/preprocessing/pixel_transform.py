"""Preprocessors whose outputs are still pixels."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from numpy.typing import DTypeLike

from fcnet.preprocessing.base import Preprocessor, WeightImages
from fcnet.preprocessing.views import RandomView, Views
from fcnet.types import Array, as_array

if TYPE_CHECKING:
    from fcnet.export.graph import Graph


class PixelTransform(Preprocessor):
    """A transformation with as many outputs as inputs, each at its place: images stay images.

    So views are made after it, by taking values from other places.
    """

    keeps_pixels = True
    has_views = True

    @property
    def n_outputs(self) -> int | None:
        return self.n_inputs

    def get_config(self) -> dict[str, Any]:
        return {}

    def each_view(self, X: Any, dtype: DTypeLike, views: Views) -> Iterator[Array]:
        """Preprocess raw rows, once, and yield every view of them."""
        rows = self.transform(X, dtype)
        if not views:
            yield rows
            return
        rows = as_array(rows)
        for places in views.places():
            yield rows[:, places]

    def augmentation(self, views: Views) -> RandomView | None:
        return RandomView(views.places()) if views else None

    def to_onnx(self, graph: "Graph", x: str, dtype: DTypeLike, views: Views) -> str:
        x = self._transform_nodes(graph, x, dtype)
        return graph.add("Gather", x, views.places(), axis=1) if views else x

    @abstractmethod
    def _transform_nodes(self, graph: "Graph", x: str, dtype: DTypeLike) -> str:
        """Add the nodes of `transform`."""

    def weight_images(self, first_weights: Array, image_shape: tuple[int, ...] | None) -> WeightImages | None:
        return None if image_shape is None else WeightImages(first_weights, image_shape, "hidden units")
