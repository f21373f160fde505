"""What the benchmark of recipes compares: every start with every number of labelled scans and every seed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import UserError
from ..pretext.registry import RECIPES
from ..training.choose_start import SCRATCH, SHIPPED

BVM = "bvm"
#: Starts of the network of the seed paper, whose table of 64 directions is resampled.
_BVM_STARTS = tuple(f"{BVM}-{what}" for what in (SCRATCH, "autoencoder", "distortion"))
#: Seconds on one core: to begin a run, for a patch of fine-tuning and of pretraining, to predict a scan.
_SECONDS_A_RUN, _SECONDS_A_PATCH, _SECONDS_A_PRETEXT, _SECONDS_A_SCAN = 5.0, 0.15, 0.08, 1.0
STARTS = (SCRATCH, *RECIPES, SHIPPED, *_BVM_STARTS)


def is_bvm(start: str) -> bool:
    """Whether a start is of the network of the seed paper."""
    return start in _BVM_STARTS


def reference_of(start: str) -> str:
    """Random weights of the same network, to which a start is compared."""
    return f"{BVM}-{SCRATCH}" if is_bvm(start) else SCRATCH


@dataclass(frozen=True)
class Run:
    """One fine-tuning.

    Attributes:
        start: one of ``STARTS``.
        labels: number of labelled scans that it learns from.
        seed: of the weights and the patches, of the scans that are drawn, and of the pretraining it starts from.
    """

    start: str
    labels: int
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.start}-labels{self.labels}-seed{self.seed}"

    @property
    def recipe(self) -> str | None:
        """The recipe that pretrains its start; None where nothing is pretrained for it."""
        recipe = self.start.removeprefix(f"{BVM}-")
        return recipe if recipe in RECIPES else None


@dataclass(frozen=True)
class Plan:
    """All that is needed to repeat the benchmark.

    Attributes:
        starts: what fine-tuning starts from, see ``STARTS``.
        labels: numbers of labelled scans.
        seeds: of the runs.
        steps: of every fine-tuning; ten validations are spread over them.
        pretrain_steps: of every pretraining.
        network: of all starts but ``shipped`` and those of ``bvm``.
        device: where to compute.
        patch: edge of a patch in voxels.
        batch: patches a step in fine-tuning.
        pretrain_batch: patches a step in pretraining.
        pretrain_scans: scans without labels at the site of pretraining.
        validation_scans: at the site of fine-tuning; which weights are best is chosen by these.
        test_scans: at the site of fine-tuning; nothing is chosen by these. Tests of differences compare scans:
            with less than nine none can be significant among ten starts.
        protocol_scans: of the test brains, scanned by other protocols too, for models with the most labels.
    """

    starts: tuple[str, ...] = STARTS
    labels: tuple[int, ...] = (1, 2, 5, 10)
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 300
    pretrain_steps: int = 800
    network: str = "tiny"
    device: str = "cpu"
    patch: int = 16
    batch: int = 2
    pretrain_batch: int = 2
    pretrain_scans: int = 10
    validation_scans: int = 1
    test_scans: int = 12
    protocol_scans: int = 2

    def __post_init__(self) -> None:
        for start in self.starts:
            if start not in STARTS:
                raise UserError(f"--recipes {start}: expected {', '.join(STARTS)}; choose among them")
        missing = {reference_of(start) for start in self.starts or (SCRATCH,)}.difference(self.starts)
        if missing:
            raise UserError(f"--recipes: expected {min(missing)} among them, to which others are compared; add it")
        for name, values in (("--labels", self.labels), ("--seeds", self.seeds)):
            if not values or len(set(values)) < len(values):
                raise UserError(f"{name}: expected different numbers, found {list(values)}; mend it")
        if min(self.labels) < 1 or min(self.seeds) < 0:
            raise UserError("--labels and --seeds: expected numbers from 1 and from 0 on; mend them")

    @property
    def training_scans(self) -> int:
        """Labelled scans to draw from: twice the most, so that seeds differ in what they learn from."""
        return 2 * max(self.labels)

    @property
    def interval(self) -> int:
        """Steps between validations."""
        return max(1, self.steps // 10)

    def runs(self) -> Iterator[Run]:
        """All runs, seed by seed, so that what is done first is a benchmark with fewer seeds."""
        for seed in self.seeds:
            for start in self.starts:
                for labels in self.labels:
                    yield Run(start, labels, seed)

    def network_of(self, run: Run) -> str:
        """The network of a run's start."""
        return BVM if is_bvm(run.start) else self.network

    def hours(self) -> float:
        """About what it takes on one core of a processor, as measured with the network ``tiny`` and patches of 16."""
        voxels = (self.patch / 16) ** 3
        predictions = self.validation_scans * (1 + self.steps // self.interval) + self.test_scans
        learning = self.steps * self.batch * voxels * _SECONDS_A_PATCH
        runs = list(self.runs())
        pretrained = {(run.start, run.seed) for run in runs if run.recipe}
        pretraining = self.pretrain_steps * self.pretrain_batch * voxels * _SECONDS_A_PRETEXT
        seconds = len(runs) * (_SECONDS_A_RUN + learning + predictions * _SECONDS_A_SCAN)
        return (seconds + len(pretrained) * pretraining) / 3600

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @staticmethod
    def from_json(content: dict[str, Any]) -> "Plan":
        """Rebuild from :meth:`to_json`.

        Raises:
            UserError: if the content is no plan.
        """
        fields: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in content.items()}
        try:
            return Plan(**fields)
        except TypeError as error:
            raise UserError(f"expected the plan of a benchmark, found something else ({error})") from error

    def command(self) -> str:
        """What makes these results again."""
        words = ["dmri-pretrain benchmark recipes --out FOLDER"]
        for name, option in OPTIONS.items():
            value, default = getattr(self, name), getattr(Plan(), name)
            if value != default:
                words.append(f"{option} {','.join(map(str, value)) if isinstance(value, tuple) else value}")
        return " ".join(words)


#: Options of the command, by what they set.
OPTIONS = {
    "starts": "--recipes",
    "labels": "--labels",
    "seeds": "--seeds",
    "steps": "--steps",
    "pretrain_steps": "--pretrain-steps",
    "network": "--network",
    "device": "--device",
}


#: Shows within a minute that all parts work together; its numbers mean nothing.
QUICK = Plan(
    starts=(SCRATCH, "autoencoder"),
    labels=(1,),
    seeds=(0,),
    steps=2,
    pretrain_steps=2,
    pretrain_scans=1,
    test_scans=2,
    protocol_scans=0,
)
