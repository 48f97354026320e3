"""Deprecated: `fcnet.preprocessing` has what was here."""

import sys
from importlib import import_module

from fcnet.moved import moved

__getattr__ = moved(__name__, "fcnet.preprocessing")

# A pickle names the module of each class and function in it.
_OF_TRANSFORMERS = ("transformers", "transformers.images", "transformers.whitening")
for _name in ("histograms", "patches", "representation", "scaling", "stacked", "whitening", "zca", *_OF_TRANSFORMERS):
    sys.modules[f"{__name__}.{_name}"] = import_module(f"fcnet.preprocessing.{_name}")
sys.modules["fcnet.products"] = import_module("fcnet.engine.products")
