from dataclasses import replace

import pytest
import torch

from DMRIPretrainLib.simulation.brain_shape import BrainShape
from DMRIPretrainLib.simulation.tissue import brain_tissue


def across_the_midline(edge: float, **changes: float) -> torch.Tensor:
    """(X, 3) fractions from the left to the right hemisphere above the corpus callosum, in a brain without sulci."""
    generator = torch.Generator().manual_seed(0)
    shape = replace(BrainShape.draw(generator), scale=(1.0, 1.0, 1.0), warp=0.0, gyral_spacing=80.0, **changes)
    x = torch.arange(-8, 8 + edge / 2, edge)
    positions = shape.head_positions(
        (x, torch.tensor([-21.0, -20.0, -19.0]), torch.tensor([49.0, 50.0, 51.0])), generator
    )
    return brain_tissue(positions, shape, (edge, edge, edge), generator).fractions[:, 1, 1]


@pytest.mark.parametrize("edge", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("width", [0.0, 2.0, 6.0])
def test_a_fissure_is_as_wide_as_asked_on_any_grid(edge, width):
    fluid = across_the_midline(edge, fissure_width=width, sulcal_width=1e-6)[:, 0]
    assert fluid.sum().item() * edge == pytest.approx(width, abs=1e-3)
    if width > edge:
        assert fluid[len(fluid) // 2] == 1


def test_cortex_lines_the_fissure_with_its_thickness():
    thin, thick = (across_the_midline(0.5, ribbon=ribbon, sulcal_width=1e-6)[:, 1].sum() * 0.5 for ribbon in (2.5, 4.0))
    assert thick / thin == pytest.approx(1.6, rel=0.01)
    assert 3.5 < thin < 6.5  # both banks, 2.5 mm each, varied by some 15 %
