"""Recipes that ship with fcnet, one TOML file each."""
