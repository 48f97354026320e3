"""Weights of a first layer as pictures."""

import base64
import io
from typing import Any

import numpy as np

from fcnet import plots
from fcnet.model import Model
from fcnet.training.smoothness import has_structure, roughness
from fcnet.types import Array

TILES = (12, 48)  # where none has structure, and at most
GRID = 25  # tiles of a small grid
SHOWN_CHANNELS = (1, 3)  # of others a picture shows the mean


def as_png(pixels: Array) -> str:
    """Return an array (height, width, channels) of 0 to 255 as the address of a picture that is in the page itself."""
    from PIL import Image

    content = io.BytesIO()
    if pixels.shape[-1] not in SHOWN_CHANNELS:
        pixels = pixels.mean(axis=-1, keepdims=True)
    pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def averages_channels(model: Model) -> bool:
    """Return whether pictures of its inputs have channels that no picture can have, and so show their mean."""
    return model.image_shape is not None and model.image_shape[2] not in SHOWN_CHANNELS


def first_layer(model: Model) -> dict[str, Any] | None:
    """Return pictures of the weights of the first layer, those with the most structure first, and fewer where there is none.

    ``grid`` is one picture of the first of them.
    """
    network = model.network
    seen = model.preprocessor.weight_images(network.params[network.affine[0].W], model.image_shape)
    if seen is None:
        return None
    images = plots.weight_images(seen.weights, seen.image_shape, at_most=seen.weights.shape[1])
    structured = int(has_structure(images).sum())
    order = np.argsort(roughness(images), kind="stable")
    shown = images[order[: np.clip(structured, *TILES)]]
    return {
        "n": len(images),
        "of": seen.of,
        "structured": structured,
        "averaged": averages_channels(model),
        "pictures": [as_png(plots.image_grid(image[np.newaxis])) for image in shown],
        "grid": as_png(plots.image_grid(images[order[:GRID]])),
    }
