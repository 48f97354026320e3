"""Sweeps: many trials of one recipe, whose settings are drawn from a search space."""
