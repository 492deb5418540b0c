"""Directions: the value, its storage, and one file for each family of estimators."""
