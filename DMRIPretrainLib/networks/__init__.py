"""Networks, heads and model files."""

from .model import NETWORKS, Architecture, DiffusionModel, HeadSpec

__all__ = ["NETWORKS", "Architecture", "DiffusionModel", "HeadSpec"]
