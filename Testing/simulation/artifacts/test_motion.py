from dataclasses import replace

import numpy as np
import pytest
import torch
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel
from scipy.spatial.transform import Rotation

from DMRIPretrainLib.simulation.artifacts.motion import LARGEST_ROTATION_DEG, LARGEST_TRANSLATION_MM, Motion
from DMRIPretrainLib.simulation.tables import make_gradient_table


@pytest.mark.parametrize("rotate_directions", [True, False])
def test_a_tensor_turns_with_the_head_if_the_table_does(rotate_directions, make_acquisition):
    table = make_gradient_table([(1000, 30)], b0_count=2)
    rotation = Rotation.from_rotvec([10, -25, 40], degrees=True)
    tensor = Rotation.from_rotvec([0.3, 0.5, -0.2]).as_matrix() @ np.diag([1.7e-3, 0.5e-3, 0.2e-3])
    tensor = tensor @ np.linalg.inv(Rotation.from_rotvec([0.3, 0.5, -0.2]).as_matrix())
    exponent = table.bvals * np.einsum("ni,ij,nj->n", table.directions, tensor, table.directions)
    signal = torch.from_numpy(1000 * np.exp(-exponent)).float().reshape(-1, 1, 1, 1).expand(-1, 5, 5, 5)
    motion = Motion(((1.0, 0.0, 2.0),) * 32, (tuple(rotation.as_rotvec(degrees=True)),) * 32, rotate_directions)
    moved = motion(make_acquisition(signal, table))

    model = TensorModel(gradient_table(moved.gradients.bvals, bvecs=moved.gradients.directions))
    fitted = model.fit(moved.signal[:, 2, 2, 2].numpy()).quadratic_form
    turned = rotation.as_matrix() @ tensor @ rotation.as_matrix().T
    np.testing.assert_allclose(fitted, turned if rotate_directions else tensor, atol=1e-6)


def test_each_volume_and_direction_moves_by_its_own_rotation(make_acquisition):
    clean = make_acquisition()
    motion = Motion.draw(clean, torch.Generator().manual_seed(1))
    moved = replace(motion, rotate_directions=True)(clean)
    expected = Rotation.from_rotvec(motion.rotations, degrees=True).apply(clean.gradients.directions)
    np.testing.assert_allclose(moved.gradients.directions, expected, atol=1e-9)
    still = replace(motion, rotate_directions=False)(clean)
    assert still.gradients is clean.gradients
    assert torch.equal(still.signal, moved.signal)
    alone = Motion(motion.translations[4:5], motion.rotations[4:5])(
        replace(clean, signal=clean.signal[4:5], gradients=clean.gradients.subset(np.array([4])))
    )
    torch.testing.assert_close(alone.signal[0], moved.signal[4])


def test_movements_stay_within_their_limits_in_every_direction(make_acquisition):
    clean = make_acquisition(torch.rand(2000, 2, 2, 2))
    motion = Motion.draw(clean, torch.Generator().manual_seed(0))
    for vectors, limit in ((motion.translations, LARGEST_TRANSLATION_MM), (motion.rotations, LARGEST_ROTATION_DEG)):
        lengths = np.linalg.norm(vectors, axis=1)
        assert 0.99 * limit < lengths.max() <= limit
        assert lengths.mean() == pytest.approx(limit / 2, rel=0.05)
        np.testing.assert_allclose(np.mean(vectors, axis=0), 0, atol=0.1)
