"""Random directions and rotations for the q-space tests."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation


@pytest.fixture
def random_directions() -> Callable[..., np.ndarray]:
    """``random_directions(60, seed=1)``: (60, 3) unit vectors, evenly distributed over the sphere."""

    def draw(count: int, seed: int = 0) -> np.ndarray:
        vectors = np.random.default_rng(seed).normal(size=(count, 3))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return draw


@pytest.fixture
def oblique() -> np.ndarray:
    """(3, 3) rotation about no special axis."""
    return Rotation.from_rotvec([0.7, -1.1, 0.4]).as_matrix()
