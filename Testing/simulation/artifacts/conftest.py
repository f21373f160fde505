"""A small acquisition with smooth structure, and its ingredients."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from DMRIPretrainLib.scans.gradient_table import GradientTable
from DMRIPretrainLib.simulation.artifacts.artifact import Acquisition

Make = Callable[..., Acquisition]


def table_of(b0s: int, directions: int, bvalue: float = 1000.0) -> GradientTable:
    vectors = np.random.default_rng(1).standard_normal((directions, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    bvals = np.concatenate([np.zeros(b0s), np.full(directions, bvalue)])
    return GradientTable(bvals, np.concatenate([np.zeros((b0s, 3)), vectors]))


@pytest.fixture
def make_acquisition() -> Make:
    """``make_acquisition(signal, table)``; each has a default: an ellipsoid of 1000, darker where weighted."""

    def make(
        signal: torch.Tensor | None = None,
        table: GradientTable | None = None,
        voxel_size: tuple[float, float, float] = (2.0, 2.5, 3.0),
        shape: tuple[int, int, int] = (16, 18, 12),
        **axes: int,
    ) -> Acquisition:
        if signal is None:
            table = table or table_of(2, 8)
            ranges = [torch.linspace(-1, 1, count) for count in shape]
            x, y, z = torch.meshgrid(*ranges, indexing="ij")
            radius = (x**2 + y**2 + z**2).sqrt()
            decay = torch.from_numpy(np.exp(-0.7e-3 * table.bvals)).float()
            signal = decay[:, None, None, None] * (1000 * (radius < 0.8) * (1.2 + x / 5 - y / 5))
        table = table or GradientTable(np.zeros(len(signal)), np.zeros((len(signal), 3)))
        mask = signal[0] > 0
        return Acquisition(signal, table, voxel_size, mask, **axes)

    return make
