"""Scans and results as nodes of 3D Slicer, and how they are shown."""
