"""Artifacts of diffusion MRI, one a file; ``registry`` lists them by name."""
