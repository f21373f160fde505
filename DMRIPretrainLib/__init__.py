"""Self-supervised pretrained encoders and task heads for diffusion MRI."""

__version__ = "0.1.0"
