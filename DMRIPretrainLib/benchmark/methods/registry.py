"""All methods by name. One is loaded when it is asked for: MRtrix3 needs no PyTorch, and memory is measured."""

import importlib

from .method import Method

_CLASSES = {
    "model": ("model", "Model"),
    "tensor": ("tensor", "Tensor"),
    "csa": ("csa", "ConstantSolidAngle"),
    "csd": ("dipy_csd", "DipyCSD"),
    "msmt": ("msmt", "DipyMSMT"),
    "force": ("dipy_force", "DipyFORCE"),
    "mrtrix-csd": ("mrtrix", "MRtrixCSD"),
    "mrtrix-msmt": ("mrtrix", "MRtrixMSMT"),
    "label": ("tissue", "FreeWaterHMRF"),
    "hmrf": ("tissue", "PowerMap"),
    "dam": ("tissue", "DirectionalAverage"),
}
METHODS = tuple(_CLASSES)


def load_method(name: str) -> Method:
    """The method of a name.

    Raises:
        KeyError: if there is none.
    """
    module, kind = _CLASSES[name]
    found = getattr(importlib.import_module(f".{module}", __package__), kind)
    return found()
