"""Self-supervised pretrained encoders and task heads for diffusion MRI."""
