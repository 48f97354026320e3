"""Pictures under the exercise's name."""

from fcnet.plots import image_grid
from fcnet.types import Array


def visualize_grid(Xs: Array, ubound: float = 255.0, padding: int = 1) -> Array:
    """Return images (n, height, width, channels) in a square grid, each stretched to the range 0 to `ubound`."""
    return image_grid(Xs, ubound, padding)
