"""Fibre orientation: an fODF, and its peaks."""

from functools import lru_cache

import numpy as np
import torch

from ..evaluation.orientation import match_peaks, orientation_metrics
from ..networks.model import HeadSpec
from ..qspace.deconvolution import FODF_ORDER, fodf_of_peaks
from ..qspace.harmonics import coefficient_count, evaluation_matrix, hemisphere, rotation_matrix
from .peaks import find_peaks


def orientation_head() -> HeadSpec:
    """Head for an fODF; it has no labels."""
    return HeadSpec("orientation")


#: Power of the target per voxel below which a patch has too few fibres to be measured by it; a lone fibre has 0.3.
_LEAST_POWER = 0.05
#: A matched peak this many degrees away is worth no more than a missed one.
_WORTHLESS_ANGLE = 45.0


class OrientationTask:
    """The fODF in the library's spherical harmonics basis, order 8, grid frame.

    The target is made of the label's peaks: each is a smooth lobe (heat kernel on the sphere) whose
    height is the peak's amplitude. The loss is the squared difference over the sphere, which is symmetric
    under the sign of a direction by construction, plus a penalty on negative values, as a share of the power of
    the target: 0 is perfect, 1 is no better than no fibres.
    """

    output_channels = coefficient_count(FODF_ORDER)
    target_channels = output_channels

    def __init__(self, head: HeadSpec) -> None:
        self.head = head
        self._values = torch.tensor(evaluation_matrix(hemisphere("repulsion200"), FODF_ORDER), dtype=torch.float32)

    def target(self, label: np.ndarray) -> np.ndarray:
        """(45, X, Y, Z) fODF of (X, Y, Z, 3, 3) peaks, unit vector x amplitude, grid frame."""
        return peaks_to_fodf(label)

    def move(self, target: torch.Tensor, matrix: np.ndarray) -> torch.Tensor:
        """Turn the fODF with its voxels."""
        turn = torch.as_tensor(_turn(tuple(matrix.ravel().tolist())), dtype=target.dtype, device=target.device)
        return torch.einsum("ij,jxyz->ixyz", turn, target)

    def loss(self, output: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Squared difference (Parseval) plus a soft non-negativity, in the mask."""
        difference = ((output - target).square().sum(dim=1) * mask).sum()
        inside = output.movedim(1, -1)[mask > 0]
        values = inside @ self._values.to(output.device, output.dtype).T
        negative = 4 * np.pi / len(self._values) * values.clamp(max=0).square().sum()
        power = (target.square().sum(dim=1) * mask).sum()
        return (difference + negative) / torch.maximum(power, _LEAST_POWER * mask.sum()).clamp(min=1e-6)

    def probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """Coefficients average as they are."""
        return output

    def answer(self, average: np.ndarray, mask: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """(X, Y, Z, 3, 3) peaks, unit vector x amplitude, strongest first, grid frame.

        Where (X, Y, Z) counts of fibres are known, see ``find_peaks``.
        """
        peaks = np.zeros((*mask.shape, 3, 3), dtype=np.float32)
        peaks[mask] = find_peaks(average[:, mask].T, None if counts is None else counts[mask])
        return peaks

    def score(self, answer: np.ndarray, label: np.ndarray, mask: np.ndarray) -> dict[str, float]:
        """Agreement of peaks, and angular errors where the reference has a fibre.

        The score is a soft F1 over all peaks in the mask: a pair of matched peaks counts from 1 (same direction)
        to 0 (45 degrees apart or more); missed and spurious peaks count 0.
        """
        errors, missed, spurious = match_peaks(answer[mask], label[mask])
        pairs = np.isfinite(errors)
        agreement = np.clip(1 - errors[pairs] / _WORTHLESS_ANGLE, 0.0, 1.0).sum()
        peaks = 2 * pairs.sum() + missed.sum() + spurious.sum()
        metrics = orientation_metrics(answer, label, mask)
        return {
            "score": float(2 * agreement / peaks) if peaks else 0.0,
            "dominant error [deg]": metrics["dominant_mean"],
            "matched error [deg]": metrics["matched_mean"],
        }


@lru_cache(maxsize=64)
def _turn(matrix: tuple[float, ...]) -> np.ndarray:
    """Rotation of coefficients; the 48 symmetries of a cube come again and again."""
    return rotation_matrix(np.reshape(matrix, (3, 3)), FODF_ORDER)


def peaks_to_fodf(peaks: np.ndarray) -> np.ndarray:
    """(45, X, Y, Z) float32 fODF of (X, Y, Z, 3, 3) peaks, in the frame of the peaks.

    A lone peak of amplitude a gives an fODF whose maximum is a.
    """
    flat = torch.from_numpy(np.array(peaks.reshape(-1, *peaks.shape[-2:]), dtype=np.float32))
    return fodf_of_peaks(flat).T.reshape(-1, *peaks.shape[:-2]).numpy()
