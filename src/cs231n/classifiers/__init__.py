"""Classifiers of the exercise."""
