"""A model of this library."""

import os

import numpy as np

from .method import Found, Method, Question


class Model(Method):
    """What ``predict`` answers, without writing it."""

    title = "DMRIPretrain"
    finds_tissue = True

    def prepare(self) -> None:
        """Import PyTorch."""
        import torch

        from ...inference import predict  # noqa: F401

        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

    def answer(self, question: Question) -> Found:
        """All tasks of the model."""
        from ...inference.loaded_model import load_models
        from ...inference.predict import run_model
        from ...qspace.prepare import prepare_scan

        (loaded,) = load_models([question.model] if question.model else [])
        answers, _ = run_model(loaded.predictor("cpu"), prepare_scan(question.scan))

        def asked(task: str, name: str = "answer") -> np.ndarray | None:
            return getattr(answers[task], name)[question.asked] if task in answers else None

        return Found(
            asked("crossings"), asked("orientation"), asked("segmentation"), asked("crossings", "probabilities")
        )
