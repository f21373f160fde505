"""Prediction, uncertainty and export."""
