"""All that is needed to repeat a training run. Needs no PyTorch: whoever starts a job need not have it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..jobs.settings import settings_from_json, settings_to_json
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD
from .choose_start import SCRATCH

if TYPE_CHECKING:
    from .annotated import CaseSource

#: In place of a folder of scans to pretrain on: simulate them.
SIMULATED = "simulated"
#: Peak learning rates of fine-tuning: of heads and random weights, and of a network below them that was trained before.
FRESH_RATE, TRAINED_RATE = 1e-3, 2e-4


@dataclass(frozen=True)
class FinetuneSettings:
    """All that is needed to repeat a fine-tuning run.

    Attributes:
        cases: table of cases, BIDS folder or scan.
        tasks: what to learn.
        labels: folder of label maps where ``cases`` is no table.
        start: model file to start from, name of a shipped model, or ``scratch``; see ``choose_start``.
        start_sha256: checksum of its file; None where it does not matter.
        network: network to build when starting from scratch.
        steps: optimiser steps.
        interval: steps between validations and checkpoints.
        batch: patches a step, on each device.
        patch: edge of a patch in voxels; 0 chooses 32 on a CPU and 64 on a GPU.
        patience: validations without improvement before it stops early.
        trained_rate: peak learning rate of a network that was trained before, without its heads.
        seed: of the weights, the patches and the split.
        device: ``auto``, ``cpu``, ``cuda``...
        devices: how many of them on each machine.
        nodes: machines.
        label_names: name of each segmentation value; empty where they are the tissues or nameless.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
        mask: brain mask of a single scan; None to find or compute one.
        bval: b-value file of a single scan; None to find it beside the scan.
        bvec: b-vector file of a single scan; None to find it beside the scan.
    """

    cases: str
    tasks: tuple[str, ...]
    labels: str | None = None
    start: str = SCRATCH
    start_sha256: str | None = None
    network: str = "tiny"
    steps: int = 600
    interval: int = 50
    batch: int = 2
    patch: int = 0
    patience: int = 10
    trained_rate: float = TRAINED_RATE
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    label_names: dict[int, str] | None = None
    b0_threshold: float = DEFAULT_B0_THRESHOLD
    mask: str | None = None
    bval: str | None = None
    bvec: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For ``job.json``."""
        return settings_to_json(self, "finetune")

    @staticmethod
    def from_json(content: dict[str, Any]) -> "FinetuneSettings":
        """Rebuild from :meth:`to_json`.

        Raises:
            UserError: if the content is not that of a fine-tuning job.
        """
        return settings_from_json(FinetuneSettings, content, "a fine-tuning job")

    def source(self) -> "CaseSource":
        """Where the cases are."""
        from .annotated import CaseSource

        paths = (Path(path) if path else None for path in (self.labels, self.mask, self.bval, self.bvec))
        return CaseSource(Path(self.cases), self.tasks, *paths)


@dataclass(frozen=True)
class PretrainSettings:
    """All that is needed to repeat a pretraining run.

    Attributes:
        recipe: name of a recipe, see ``pretext.registry``.
        data: folders, lists or scans; ``simulated`` for simulated scans. Of several sorts each is as likely.
        options: of the recipe, such as ``strength`` of ``distortion``.
        start: model file to go on from, or ``scratch``.
        network: ``tiny``, ``base`` or ``bvm``.
        steps: optimiser steps.
        interval: steps between checkpoints.
        batch: patches a step, on each device.
        patch: edge of a patch in voxels; 0 chooses 32 on a CPU and 64 on a GPU.
        seed: of the weights and the examples.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``...
        devices: how many of them on each machine; 0 for all CUDA devices.
        nodes: machines.
        precision: ``auto`` (bf16 on a GPU, else float32), ``float32`` or ``bf16``.
        workers: processes that make examples on a CPU; on a GPU examples are made there.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
    """

    recipe: str
    data: tuple[str, ...]
    options: dict[str, Any]
    start: str = "scratch"
    network: str = "tiny"
    steps: int = 10_000
    interval: int = 200
    batch: int = 2
    patch: int = 0
    seed: int = 0
    device: str = "auto"
    devices: int = 0
    nodes: int = 1
    precision: str = "auto"
    workers: int = 1
    b0_threshold: float = DEFAULT_B0_THRESHOLD

    def to_json(self) -> dict[str, Any]:
        """For ``job.json``."""
        return settings_to_json(self, "pretrain")

    @staticmethod
    def from_json(content: dict[str, Any]) -> "PretrainSettings":
        """Rebuild from :meth:`to_json`.

        Raises:
            UserError: if the content is not that of a pretraining job.
        """
        return settings_from_json(PretrainSettings, content, "a pretraining job")
