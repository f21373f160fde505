"""What finished jobs hold, for tests of every kind of training."""

import torch
from safetensors.torch import load_file

from DMRIPretrainLib.jobs.folder import JobFolder


def weights_of(job: JobFolder) -> dict[str, torch.Tensor]:
    return load_file(job.result / "model.safetensors")


def assert_same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def events(job: JobFolder, kind: str) -> list[dict]:
    return [event for event in job.read_events() if event["kind"] == kind]
