"""Pretraining recipes, one a file."""
