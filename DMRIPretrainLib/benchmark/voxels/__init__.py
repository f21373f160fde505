"""Voxels whose fibres are known, and volumes of them."""
