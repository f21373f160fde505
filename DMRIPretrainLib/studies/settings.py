"""All that is needed to repeat the work on a study. Needs no PyTorch: whoever starts a job need not have it."""

from dataclasses import dataclass
from typing import Any

from ..jobs.settings import settings_from_json, settings_to_json
from ..scans.gradient_table import DEFAULT_B0_THRESHOLD


@dataclass(frozen=True)
class PredictSettings:
    """All that is needed to repeat the prediction of a study.

    Attributes:
        sources: BIDS or HCP folders, lists of scans, or scans.
        models: files, or names of shipped ones; where two answer the same task, the later one counts.
        sha256: checksum of each of their files.
        ensemble: number of subsets of directions, see ``predict``.
        device: ``auto``, ``cpu``, ``cuda``...
        workers: processes on this machine; further machines may run the same job.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
        mask: brain mask of a single scan; None to find or compute one.
        bval: b-value file of a single scan; None to find it beside the scan.
        bvec: b-vector file of a single scan; None to find it beside the scan.
    """

    sources: tuple[str, ...]
    models: tuple[str, ...]
    sha256: tuple[str, ...]
    ensemble: int = 0
    device: str = "auto"
    workers: int = 1
    b0_threshold: float = DEFAULT_B0_THRESHOLD
    mask: str | None = None
    bval: str | None = None
    bvec: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For ``job.json``."""
        return settings_to_json(self, "predict")

    @staticmethod
    def from_json(content: dict[str, Any]) -> "PredictSettings":
        """Rebuild from :meth:`to_json`.

        Raises:
            UserError: if the content is not that of such a job.
        """
        return settings_from_json(PredictSettings, content, "a prediction")


@dataclass(frozen=True)
class LabelSettings:
    """All that is needed to repeat the labelling of a study.

    Attributes:
        sources: BIDS or HCP folders, lists of scans, or scans.
        tasks: what to label.
        workers: processes on this machine; further machines may run the same job.
        b0_threshold: volumes with a b-value up to this one (s/mm²) count as b0.
        mask: brain mask of a single scan; None to find or compute one.
        bval: b-value file of a single scan; None to find it beside the scan.
        bvec: b-vector file of a single scan; None to find it beside the scan.
    """

    sources: tuple[str, ...]
    tasks: tuple[str, ...]
    workers: int = 1
    b0_threshold: float = DEFAULT_B0_THRESHOLD
    mask: str | None = None
    bval: str | None = None
    bvec: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For ``job.json``."""
        return settings_to_json(self, "label")

    @staticmethod
    def from_json(content: dict[str, Any]) -> "LabelSettings":
        """Rebuild from :meth:`to_json`.

        Raises:
            UserError: if the content is not that of such a job.
        """
        return settings_from_json(LabelSettings, content, "labelling")
