"""Our models beside classical methods where the truth is known: accuracy, time and memory in the same run."""

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import write_json
from ..jobs.lock import locked
from ..progress import Progress, silent
from .ask import read_found
from .cells import keep_plan, read_cell
from .known_scan import BRAIN, FIRST_SEED, VOXELS, Size, make_known_scan, read_truth
from .methods.registry import METHODS
from .own_process import run_measured
from .protocols import FULL, MAIN, THREE_SHELLS, TRANSFER, TWO_SHELLS, Protocol, one_shell
from .score import score

#: Methods that take minutes a scan, and the protocols under which they are asked about one brain; about all of them
#: under ``MAIN``, which README shows.
SLOW = {
    "mrtrix-csd": (MAIN, one_shell(32, 1000, 20), one_shell(64, 1000, 10), one_shell(64, 3000, 20), TWO_SHELLS),
    "mrtrix-msmt": (TWO_SHELLS, THREE_SHELLS),
    "msmt": (TWO_SHELLS,),
    "force": (MAIN, TWO_SHELLS),
}
#: Methods that find tissue alone have nothing to say of single voxels.
_TISSUE_METHODS = frozenset({"label", "hmrf", "dam"})


@dataclass(frozen=True)
class Cell:
    """One method on one scan.

    Attributes:
        kind: ``brain`` or ``voxels``.
        protocol: of the scan.
        seed: of the scan.
        method: see ``methods.registry``.
    """

    kind: str
    protocol: Protocol
    seed: int
    method: str

    @property
    def scan(self) -> str:
        """Name of the folder of the scan."""
        return f"{self.kind}-{self.protocol.name}-seed{self.seed}"


@dataclass(frozen=True)
class Plan:
    """All that is needed to repeat the benchmark.

    Attributes:
        methods: that are compared.
        protocols: under which.
        kinds: of scans.
        seeds: of scans.
        thorough: whether slow methods are asked about all scans, rather than what ``SLOW`` says.
        size: of scans.
        threads: that each method may use.
        simulations: voxels in the library of FORCE.
        model: SHA-256 of the model.
    """

    methods: tuple[str, ...] = METHODS
    protocols: tuple[Protocol, ...] = TRANSFER
    kinds: tuple[str, ...] = (BRAIN, VOXELS)
    seeds: tuple[int, ...] = (0, 1, 2)
    thorough: bool = False
    size: Size = field(default_factory=Size)
    threads: int = 1
    simulations: int = 30_000
    model: str = ""

    def cells(self) -> Iterator[Cell]:
        """Slow methods last, seed by seed, so that a run that is broken off has something of everything."""
        for slow in (False, True):
            methods = [method for method in self.methods if (method in SLOW) == slow]
            for seed, kind, protocol, method in itertools.product(self.seeds, self.kinds, self.protocols, methods):
                if self._is_asked(method, kind, protocol, seed):
                    yield Cell(kind, protocol, seed, method)

    def _is_asked(self, method: str, kind: str, protocol: Protocol, seed: int) -> bool:
        if kind == VOXELS and method in _TISSUE_METHODS:
            return False
        if self.thorough or method not in SLOW:
            return True
        return kind == BRAIN and protocol in SLOW[method] and (seed == self.seeds[0] or protocol == MAIN)

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {**asdict(self), "protocols": [protocol.to_json() for protocol in self.protocols]}


#: A few minutes; its numbers mean little.
QUICK = Plan(
    methods=("model", "tensor", "csd", "mrtrix-csd", "label"),
    protocols=(MAIN, one_shell(12, 1000, 20)),
    seeds=(0,),
    size=Size((20, 24, 8), 150),
    simulations=1000,
)

#: All methods under all protocols.
FULL_PLAN = Plan(protocols=FULL, thorough=True)


class BaselineBenchmark:
    """The work in a folder that any number of processes may share.

    Each cell is a small JSON file; what is there is not done again. A scan is simulated, asked about by all methods and
    deleted by one process at a time.

    Args:
        plan: what is compared.
        folder: to work in; is made if need be.
        model: file or name of the model; None for the default one.
        progress: told how far it is.

    Raises:
        UserError: if the folder holds another benchmark.
    """

    def __init__(self, plan: Plan, folder: Path, model: str | None = None, progress: Progress = silent) -> None:
        self.plan, self.folder, self._model, self._progress = plan, folder, model, progress
        keep_plan(folder, plan.to_json())

    def run(self) -> int:
        """Ask all that is not asked yet.

        Returns:
            How many cells are left to other processes.

        Raises:
            UserError: if a file cannot be written.
        """
        cells = list(self.plan.cells())
        for scan, members in ((scan, list(group)) for scan, group in itertools.groupby(cells, lambda cell: cell.scan)):
            missing = [cell for cell in members if not self.path_of(cell).is_file()]
            if missing:
                with locked(self.folder / "locks" / scan) as mine:
                    if mine:
                        self._ask_about(scan, missing, 1 - len(self._left(cells)) / len(cells))
        return len(self._left(cells))

    def path_of(self, cell: Cell) -> Path:
        """The file of a cell."""
        return self.folder / "cells" / cell.scan / f"{cell.method}.json"

    def outcomes(self) -> list[dict[str, Any]]:
        """What is done."""
        found = (read_cell(self.path_of(cell)) for cell in self.plan.cells())
        return [outcome for outcome in found if outcome is not None]

    def _left(self, cells: list[Cell]) -> list[Cell]:
        return [cell for cell in cells if not self.path_of(cell).is_file()]

    def _ask_about(self, scan: str, cells: list[Cell], done: float) -> None:
        folder, first = self.folder / "scans" / scan, cells[0]
        try:
            self._progress(f"{scan}: simulating", done)
            make_known_scan(folder, first.kind, first.protocol, FIRST_SEED + first.seed, self.plan.size)
            for cell in cells:
                if not self.path_of(cell).is_file():
                    self._progress(f"{scan}: {cell.method}", done)
                    write_json(self.path_of(cell), self._ask(folder, cell))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _ask(self, folder: Path, cell: Cell) -> dict[str, Any]:
        plan, answer = self.plan, folder / f"{cell.method}.npz"
        arguments = [str(folder), cell.method, str(answer), "--threads", str(plan.threads)]
        arguments += ["--simulations", str(plan.simulations)] + (["--model", self._model] if self._model else [])
        known = {"kind": cell.kind, "protocol": str(cell.protocol), "seed": cell.seed, "method": cell.method}
        try:
            usage = run_measured("ask", arguments, plan.threads)
        except UserError as error:
            return known | {"state": "failed", "message": str(error)}
        if "missing" in usage.answer:
            return known | {"state": "not possible", "message": usage.answer["missing"]}
        truth = read_truth(folder)
        return known | {
            "state": "done",
            "voxels": len(truth.counts),
            "seconds": round(usage.seconds, 2),
            "cpu_seconds": usage.cpu_seconds and round(usage.cpu_seconds, 2),
            "answer_seconds": round(usage.answer["answer_seconds"], 2),
            "memory": usage.answer["memory"],
            "metrics": score(read_found(answer), truth),
        }
