"""Features of random signals for the network tests."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from DMRIPretrainLib.qspace.features import QSpaceFeatures, QSpaceProjection
from DMRIPretrainLib.simulation.tables import make_gradient_table


@pytest.fixture
def random_features() -> Callable[..., QSpaceFeatures]:
    """``random_features((10, 9, 7), [(1000, 20)], seed=1)``: features of a noisy block with these shells."""

    def draw(shape: tuple[int, int, int], shells=((1000, 20),), seed: int = 0) -> QSpaceFeatures:
        table = make_gradient_table(shells, 1, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        signal = torch.rand((len(table), *shape), generator=generator) * 800 + 100
        signal[table.is_b0] += 500
        return QSpaceProjection(table, 0.05)(signal, torch.from_numpy(np.ones(shape, dtype=bool)), 1000.0)

    return draw
