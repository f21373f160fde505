"""How long reading, features, network and writing take, and how much memory, on scans of all sizes; and training."""

import shutil
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..progress import Progress, silent
from .cells import keep_plan, once, read_cell
from .own_process import run_measured
from .speed_scan import make_speed_scan
from .time_rivals import RIVALS


@dataclass(frozen=True)
class ScanSize:
    """A scan to measure with.

    Attributes:
        shape: of the grid.
        b0s: volumes without diffusion weighting.
        shells: (b-value in s/mm², number of directions) of each.
    """

    shape: tuple[int, int, int]
    b0s: int
    shells: tuple[tuple[int, int], ...]

    @property
    def volumes(self) -> int:
        """Of the scan."""
        return self.b0s + sum(count for _, count in self.shells)

    @property
    def name(self) -> str:
        """Grid and volumes."""
        return "x".join(map(str, (*self.shape, self.volumes)))


#: The aims for time are set for this one.
MAIN = ScanSize((90, 90, 54), 1, ((1000, 64),))
#: As minimally preprocessed by the Human Connectome Project.
HCP = ScanSize((145, 174, 145), 18, ((1000, 90), (2000, 90), (3000, 90)))
BY_VOXELS = tuple(ScanSize((edge, edge, edge), 1, ((1000, 64),)) for edge in (32, 48, 64, 96))
BY_DIRECTIONS = tuple(ScanSize((64, 64, 64), 2, ((1000, count),)) for count in (18, 62, 126, 254))


@dataclass(frozen=True)
class Plan:
    """All that is needed to repeat the benchmark.

    Attributes:
        sizes: of scans to predict; a scan of several sizes of one grid or one table shows how cost grows.
        rivals: sizes on which others are measured too.
        patches: (edge in voxels, patches a step) of training.
        threads: of every process.
        device: where to compute.
    """

    sizes: tuple[ScanSize, ...] = (MAIN, *BY_VOXELS, *BY_DIRECTIONS, HCP)
    rivals: tuple[ScanSize, ...] = (MAIN,)
    patches: tuple[tuple[int, int], ...] = ((32, 2), (48, 2), (64, 1))
    threads: int = 2
    device: str = "cpu"


QUICK = Plan(
    sizes=(ScanSize((16, 16, 16), 1, ((1000, 12),)), ScanSize((24, 24, 24), 1, ((1000, 12),))),
    rivals=(ScanSize((16, 16, 16), 1, ((1000, 12),)),),
    patches=((16, 1),),
)


class SpeedBenchmark:
    """The work in a folder; each measurement is a small file, and what is there is not measured again.

    Args:
        plan: what is measured.
        folder: to work in; is made if need be.
        progress: told how far it is.

    Raises:
        UserError: if the folder holds another benchmark.
    """

    def __init__(self, plan: Plan, folder: Path, progress: Progress = silent) -> None:
        self.plan, self.folder, self._progress = plan, folder, progress
        keep_plan(folder, asdict(plan))

    def run(self) -> None:
        """Measure what is not measured yet.

        Raises:
            UserError: if a file cannot be written.
        """
        works = list(self._works())
        for number, (size, name, module, arguments) in enumerate(works):
            self._progress(name, number / len(works))
            once(self._path(name), partial(self._measure, size, module, arguments))
            if number + 1 == len(works) or works[number + 1][0] != size:
                shutil.rmtree(self.folder / "scans" / size.name, ignore_errors=True)

    def outcome(self, name: str) -> dict[str, Any] | None:
        """What was measured, by the name of :meth:`names`; None where it is not yet."""
        return read_cell(self._path(name))

    def names(self) -> list[str]:
        """Of all measurements."""
        return [name for _, name, _, _ in self._works()]

    def _works(self) -> list[tuple[ScanSize, str, str, list[str]]]:
        """Scan, name, program and its arguments of each measurement, scan by scan."""
        plan, works = self.plan, []
        on = ["--device", plan.device]
        sizes = list(dict.fromkeys([*plan.sizes, *plan.rivals]))
        for size in sizes:
            if size in plan.sizes:
                works.append((size, f"predict-{size.name}", "time_prediction", on))
            if size in plan.rivals:
                threads = ["--threads", str(plan.threads)]
                works += [(size, f"{rival}-{size.name}", "time_rivals", [rival, *threads]) for rival in RIVALS]
        for edge, batch in plan.patches:
            steps = [*on, "--patch", str(edge), "--batch", str(batch)]
            works.append((plan.rivals[0], f"training-{edge}x{batch}", "time_training", steps))
        return works

    def _path(self, name: str) -> Path:
        return self.folder / "cells" / f"{name}.json"

    def _measure(self, size: ScanSize, module: str, arguments: list[str]) -> dict[str, Any]:
        folder = self.folder / "scans" / size.name
        if not (folder / "dwi_mask.nii.gz").is_file():
            make_speed_scan(folder, size.shape, size.shells, size.b0s)
        positional = [argument for argument in arguments[:1] if not argument.startswith("-")]
        try:
            usage = run_measured(module, [*positional, str(folder), *arguments[len(positional) :]], self.plan.threads)
        except UserError as error:
            return {"state": "failed", "message": str(error)}
        if "missing" in usage.answer:
            return {"state": "not possible", "message": usage.answer["missing"]}
        after, cpu_after = (usage.answer.pop(name, 0.0) for name in ("after", "cpu_after"))
        cpu = None if usage.cpu_seconds is None else usage.cpu_seconds - cpu_after
        return {"state": "done", "seconds": usage.seconds - after, "cpu_seconds": cpu, **usage.answer}
