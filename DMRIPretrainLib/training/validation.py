"""How good a model is on annotated scans that it does not learn from."""

from collections.abc import Callable

import numpy as np
import torch

from ..inference.predictor import Predictor
from ..tasks.task import Task
from .loaded_case import LoadedCase

#: Answers of every task for one case, in RAS voxel order and the grid frame.
Answers = dict[str, np.ndarray]


class Validation:
    """Predicts whole volumes and scores them.

    Of several processes each predicts some of the cases; every case counts once.

    Args:
        cases: annotated scans.
        tasks: the tasks to score, by name.
        pause: called before each case; may raise to end it there.
    """

    def __init__(
        self, cases: list[LoadedCase], tasks: dict[str, Task], pause: Callable[[], None] = lambda: None
    ) -> None:
        self._cases = cases
        self._tasks = tasks
        self._pause = pause
        #: What was answered last for the first case.
        self.example: Answers = {}

    def measure(self, predictor: Predictor, rank: int = 0, world: int = 1) -> dict[str, float]:
        """Mean metrics over the cases; ``score`` is the mean of the scores of the tasks.

        Args:
            predictor: the model as it is; it is left in the mode, for training or not, that it was in.
            rank: which of several processes this one is.
            world: how many there are; all of them call this.
        """
        scores = []
        for number in range(rank, len(self._cases), world):
            self._pause()
            answers, metrics = self._score(predictor, self._cases[number])
            scores.append((number, metrics))
            if number == 0:
                self.example = answers
        if world > 1:
            parts: list[list[tuple[int, dict[str, float]]]] = [[] for _ in range(world)]
            torch.distributed.all_gather_object(parts, scores)
            scores = [score for part in parts for score in part]
        return mean_metrics([metrics for _, metrics in sorted(scores, key=lambda score: score[0])])

    def _score(self, predictor: Predictor, case: LoadedCase) -> tuple[Answers, dict[str, float]]:
        probabilities = predictor.probabilities(case.scan)
        answers: Answers = {}
        metrics: dict[str, float] = {}
        scores = []
        for name, task in self._tasks.items():
            answers[name] = task.answer(probabilities[name], case.scan.mask)
            result = task.score(answers[name], case.labels[name], case.region)
            # A score is undefined where a region holds nothing to score; it must not spoil those of other tasks.
            scores.append(float(np.nan_to_num(result.pop("score"))))
            metrics |= {f"{name} score": scores[-1], **result}
        return answers, {"score": float(np.mean(scores)), **metrics}


def mean_metrics(scores: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every metric over the cases that have it: a label may be missing from some."""
    names = dict.fromkeys(name for score in scores for name in score)
    return {name: float(np.mean([score[name] for score in scores if name in score])) for name in names}
