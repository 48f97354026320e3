"""What preprocessors have in common whose outputs are pixels still."""

from fcnet.data.augment import RandomView
from fcnet.preprocessing.base import Preprocessor
from fcnet.preprocessing.views import Views, all_moves, image_views


class PixelTransform(Preprocessor):
    """A transformation that has as many outputs as inputs, each at its place: of images it gives images."""

    keeps_pixels = True

    def augmentation(self, views: Views) -> RandomView | None:
        """Return what replaces each image of a batch by a random view of it; None where there is one view."""
        if not views or views.image_shape is None:
            return None
        return RandomView(image_views(views.image_shape, views.mirror, all_moves(views.shift)))
