"""Artifacts by name, loaded when they are asked for."""

from collections.abc import Collection
from importlib import import_module
from typing import TYPE_CHECKING

from ...errors import UserError

if TYPE_CHECKING:
    from .artifact import Artifact

#: What stands for every artifact.
ALL = "all"

#: Module and class of each artifact, in the order in which a scan acquires them: first the head, then the magnetic
#: field, the coils, k-space, and last the noise.
_ARTIFACTS = {
    "motion": "Motion",
    "intra_volume_motion": "IntraVolumeMotion",
    "eddy": "EddyCurrents",
    "susceptibility": "Susceptibility",
    "slice_dropout": "SliceDropout",
    "drift": "SignalDrift",
    "bias_field": "BiasField",
    "resolution": "LowResolution",
    "gibbs": "GibbsRinging",
    "ghost": "NyquistGhost",
    "spikes": "Spikes",
    "noise": "Noise",
    "gradient_errors": "GradientErrors",
}

#: Names of all artifacts, in the order in which they are applied.
ARTIFACTS = tuple(_ARTIFACTS)


def artifact_class(name: str) -> "type[Artifact]":
    """The class of an artifact.

    Raises:
        UserError: if there is none of that name.
    """
    module = import_module(f".{in_order([name])[0]}", __package__)
    found: type[Artifact] = getattr(module, _ARTIFACTS[name])
    return found


def in_order(names: Collection[str]) -> tuple[str, ...]:
    """The named artifacts, each once, in the order in which they are applied; ``all`` stands for every one.

    Raises:
        UserError: if a name is unknown.
    """
    for name in names:
        if name not in (*ARTIFACTS, ALL):
            raise UserError(f"artifact {name}: expected {ALL}, {', '.join(ARTIFACTS)}; choose among them")
    return ARTIFACTS if ALL in names else tuple(name for name in ARTIFACTS if name in names)
