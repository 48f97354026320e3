"""Deprecated: `fcnet.preprocessing` has what was here."""

import sys
from importlib import import_module

from fcnet.moved import moved

__getattr__ = moved(__name__, "fcnet.preprocessing")

# A pickle names the module of each class and function in it.
for _name in ("histograms", "patches", "representation", "scaling", "stacked", "whitening", "zca"):
    sys.modules[f"{__name__}.{_name}"] = import_module(f"fcnet.preprocessing.{_name}")
for _name in ("transformers", "transformers.images", "transformers.whitening"):
    sys.modules[f"{__name__}.{_name}"] = import_module(f"fcnet.preprocessing.{_name}")
sys.modules["fcnet.products"] = import_module("fcnet.engine.products")
