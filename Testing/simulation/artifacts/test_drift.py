import torch

from DMRIPretrainLib.simulation.artifacts.drift import LARGEST_LOSS, SignalDrift


def test_signal_falls_linearly_over_the_series(make_acquisition):
    clean = make_acquisition(torch.full((5, 3, 3, 3), 200.0))
    means = SignalDrift(loss=0.04)(clean).signal.mean(dim=(1, 2, 3))
    torch.testing.assert_close(means, torch.tensor([200.0, 198.0, 196.0, 194.0, 192.0]))


def test_a_single_volume_does_not_drift(make_acquisition):
    clean = make_acquisition(torch.full((1, 3, 3, 3), 200.0))
    assert torch.equal(SignalDrift(loss=0.04)(clean).signal, clean.signal)


def test_the_loss_is_at_most_five_percent(make_acquisition):
    clean = make_acquisition()
    losses = [SignalDrift.draw(clean, torch.Generator().manual_seed(seed)).loss for seed in range(100)]
    assert 0 <= min(losses) < 0.005
    assert 0.045 < max(losses) <= LARGEST_LOSS
