"""Any gradient table in, fixed features out."""

from .features import SHELL_CONDITIONS, SHELL_FEATURES, QSpaceFeatures, QSpaceProjection

__all__ = ["SHELL_CONDITIONS", "SHELL_FEATURES", "QSpaceFeatures", "QSpaceProjection"]
