import torch

from DMRIPretrainLib.simulation.artifacts.intra_volume_motion import IntraVolumeMotion, MovedSlices
from DMRIPretrainLib.simulation.artifacts.slice_dropout import interleaved_order


def test_the_slices_after_the_movement_show_the_new_position(make_acquisition):
    signal = torch.rand(3, 6, 7, 8)
    clean = make_acquisition(signal, voxel_size=(2.0, 2.0, 3.0))
    event = MovedSlices(1, (1, 3, 5, 7), (2.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    moved = IntraVolumeMotion((event,))(clean).signal
    torch.testing.assert_close(moved[1, 1:, :, 1::2], signal[1, :-1, :, 1::2], rtol=1e-4, atol=1e-5)
    assert torch.equal(moved[1, :, :, 0::2], signal[1, :, :, 0::2])
    assert torch.equal(moved[[0, 2]], signal[[0, 2]])


def test_the_movement_happens_at_one_moment_of_a_volume(make_acquisition):
    clean = make_acquisition()
    order = interleaved_order(12)
    for seed in range(30):
        motion = IntraVolumeMotion.draw(clean, torch.Generator().manual_seed(seed))
        assert 1 <= len(motion.events) <= 3
        for event in motion.events:
            assert sorted(order[-len(event.slices) :]) == list(event.slices)
            assert len(event.slices) < 12
        assert motion(clean).gradients is clean.gradients


def test_other_slice_axes_are_interleaved_too(make_acquisition):
    signal = torch.rand(1, 6, 7, 8)
    clean = make_acquisition(signal, slice_axis=0)
    moved = IntraVolumeMotion((MovedSlices(0, (1, 3), (0.0, 2.5, 0.0), (0.0, 0.0, 0.0)),))(clean).signal
    torch.testing.assert_close(moved[0, 1::2, 1:][:2], signal[0, 1::2, :-1][:2], rtol=1e-4, atol=1e-5)
    assert torch.equal(moved[0, 0::2], signal[0, 0::2])
