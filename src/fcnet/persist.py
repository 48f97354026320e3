"""Deprecated: `fcnet.model` has what was here."""

from fcnet.moved import moved

__getattr__ = moved(__name__, "fcnet.model")
