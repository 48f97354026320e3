"""Deprecated: `fcnet.model_file` has what was here."""

from fcnet.moved import moved

__getattr__ = moved(__name__, "fcnet.model_file")
