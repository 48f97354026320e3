"""Deprecated: `fcnet.preprocessing` has what was here."""

import sys
from importlib import import_module

from fcnet.moved import moved

__getattr__ = moved(__name__, "fcnet.preprocessing")

# A pickle names the module of each class and function in it.
_OF_TRANSFORMERS = ("transformers", "transformers.images", "transformers.whitening")
_OF_IMAGES = ("histograms", "patches", "representation", "scaling", "stacked", "views", "whitening", "zca")
for _name in (*_OF_IMAGES, "pca", "table", *_OF_TRANSFORMERS):
    sys.modules[f"{__name__}.{_name}"] = import_module(f"fcnet.preprocessing.{_name}")
sys.modules["fcnet.cells"] = import_module("fcnet.data.cells")
sys.modules["fcnet.products"] = import_module("fcnet.engine.products")
