import pytest
import torch

from DMRIPretrainLib.simulation.artifacts.gibbs import KEPT, GibbsRinging


def test_an_edge_overshoots_by_nine_percent_of_its_height(make_acquisition):
    """Wilbraham-Gibbs: 8.95 % of the jump, whatever is cut; the grid is fine enough to see it."""
    signal = torch.full((1, 1024, 1, 1), 1000.0)
    signal[:, 256:768] = 2000.0
    for kept in (0.05, 0.1):
        ringing = GibbsRinging((kept, 1.0, 1.0))(make_acquisition(signal)).signal
        assert (ringing.max().item() - 2000) / 1000 == pytest.approx(0.0895, abs=0.006)
        assert (1000 - ringing.min().item()) / 1000 == pytest.approx(0.0895, abs=0.006)


def test_ringing_has_the_period_of_the_cut(make_acquisition):
    signal = torch.full((1, 64, 1, 1), 1000.0)
    signal[:, 16:48] = 2000.0
    spectrum = torch.fft.fft(GibbsRinging((0.5, 1.0, 1.0))(make_acquisition(signal)).signal, dim=1)[0, :, 0, 0].abs()
    frequency = torch.fft.fftfreq(64).abs()
    assert spectrum[frequency > 0.25].max() < 0.1
    torch.testing.assert_close(
        spectrum[frequency <= 0.25], torch.fft.fft(signal[0, :, 0, 0]).abs()[frequency <= 0.25], rtol=1e-4, atol=0.1
    )


@pytest.mark.parametrize("phase_axis", [0, 1])
def test_slices_do_not_mix(phase_axis, make_acquisition):
    clean = make_acquisition(phase_axis=phase_axis)
    one_slice = torch.zeros_like(clean.signal)
    one_slice[..., 5] = clean.signal[..., 5]
    drawn = GibbsRinging.draw(clean, torch.Generator().manual_seed(1))
    assert drawn.kept[2] == 1
    assert all(KEPT[0] <= kept <= KEPT[1] for kept in drawn.kept[:2])
    ringing = drawn(clean.with_signal(one_slice)).signal
    assert torch.count_nonzero(ringing[..., :5]) == torch.count_nonzero(ringing[..., 6:]) == 0
    torch.testing.assert_close(ringing[..., 5], drawn(clean).signal[..., 5])
