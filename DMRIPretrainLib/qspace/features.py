"""Fixed features of any gradient table: one matrix product a shell, on CPU or GPU."""

from dataclasses import dataclass

import numpy as np
import torch

from ..scans.gradient_table import GradientTable
from .harmonics import coefficient_orders
from .shells import FEATURE_COEFFICIENTS, FEATURE_ORDER, fit_table

#: Features of a shell: coefficients, spherical standard deviation, fit residual.
SHELL_FEATURES = FEATURE_COEFFICIENTS + 2
#: What a shell is conditioned on: b/1000, log of the number of directions, order, noise.
SHELL_CONDITIONS = 4
#: The normalised signal E = S / b0 is clipped here: at 1 the clipping would bias noisy voxels.
MAXIMUM_SIGNAL = 1.5

_ORDER_SCALES = {0: 1.0, 2: 4.0, 4: 10.0, 6: 20.0}
_COEFFICIENT_SCALES = np.array([_ORDER_SCALES[order] for order in coefficient_orders(FEATURE_ORDER).tolist()])


@dataclass
class QSpaceFeatures:
    """What a network is given; batches pad the number of shells S.

    Attributes:
        shells: (B, S, 30, X, Y, Z) scaled coefficients, spherical standard deviation and residual.
        conditions: (B, S, 4) b/1000, log(N)/log(64), order/6, ten times the noise of E.
        present: (B, S) 1 where there is a shell, 0 where there is padding.
        b0: (B, 1, X, Y, Z) log of b0 over the median b0 of the brain, zero outside the mask.
        variance: (B, S, 28) of the noise of the unscaled coefficients where b0 is the median; None if not known.
    """

    shells: torch.Tensor
    conditions: torch.Tensor
    present: torch.Tensor
    b0: torch.Tensor
    variance: torch.Tensor | None = None

    def to(self, device: torch.device | str) -> "QSpaceFeatures":
        """The same on a device."""
        return QSpaceFeatures(
            self.shells.to(device),
            self.conditions.to(device),
            self.present.to(device),
            self.b0.to(device),
            None if self.variance is None else self.variance.to(device),
        )

    @staticmethod
    def stack(items: "list[QSpaceFeatures]") -> "QSpaceFeatures":
        """Join features of one grid size into a batch, padding the number of shells.

        The variance is known where that of every item is.
        """
        most = max(item.shells.shape[1] for item in items)

        def padded(tensor: torch.Tensor) -> torch.Tensor:
            missing = most - tensor.shape[1]
            return torch.cat([tensor, tensor.new_zeros(1, missing, *tensor.shape[2:])], dim=1) if missing else tensor

        variances = [padded(item.variance) for item in items if item.variance is not None]
        return QSpaceFeatures(
            torch.cat([padded(item.shells) for item in items]),
            torch.cat([padded(item.conditions) for item in items]),
            torch.cat([padded(item.present) for item in items]),
            torch.cat([item.b0 for item in items]),
            torch.cat(variances) if len(variances) == len(items) else None,
        )


#: Residuals and spherical standard deviations are of the order of 0.1; networks like numbers near 1.
_RESIDUAL_SCALE = 10.0
_DEVIATION_SCALE = 4.0


class QSpaceProjection:
    """Turns signals of one gradient table into features; made once a table.

    The features are in the frame of the table's directions: give it directions along the voxel
    axes (``Scan.grid_gradients``) of an image in RAS voxel order. Steps and constants follow
    the usual practice for single shells (Descoteaux et al. 2007; b0 normalisation), and one
    description a shell makes any number of shells usable.

    Args:
        table: gradient table in the grid frame.
        noise: (S,) standard deviation of E in each shell, or one value for all.

    Raises:
        UserError: if the table has no usable shell.
    """

    def __init__(self, table: GradientTable, noise: np.ndarray | float = 0.05) -> None:
        self.table = table
        self.fits = fit_table(table)
        self.b0_indices = np.flatnonzero(table.is_b0)
        noises = np.broadcast_to(np.asarray(noise, dtype=float), (len(self.fits),))
        self.conditions = torch.tensor(
            [
                [fit.bvalue / 1000.0, np.log(len(fit.indices)) / np.log(64.0), fit.order / FEATURE_ORDER, 10.0 * sigma]
                for fit, sigma in zip(self.fits, noises, strict=True)
            ],
            dtype=torch.float32,
        )
        # The noise of the volumes is independent, and that of b0 changes all of a shell alike.
        rows = np.stack([np.square(fit.fit).sum(axis=1) for fit in self.fits])
        self.variance = torch.tensor(rows * noises[:, None] ** 2, dtype=torch.float32)

    def __call__(self, signal: torch.Tensor, mask: torch.Tensor, b0_median: float) -> QSpaceFeatures:
        """Features of a block of a scan.

        Args:
            signal: (N, X, Y, Z) signal of all volumes of the table, any unit.
            mask: (X, Y, Z) bool; features are zero outside.
            b0_median: median of the mean b0 over the whole brain, in the unit of the signal.
        """
        b0 = signal[self.b0_indices].mean(dim=0).clamp(min=0.05 * b0_median)
        weight = mask.to(signal.dtype)
        shells = []
        for fit in self.fits:
            normalised = (signal[fit.indices] / b0).clamp_(0.0, MAXIMUM_SIGNAL) * weight
            shells.append(_describe_shell(normalised, fit.fit, fit.predict, fit.degrees_of_freedom))
        structural = torch.log(b0 / b0_median) * weight
        return QSpaceFeatures(
            torch.stack(shells).unsqueeze(0),
            self.conditions.to(signal.device).unsqueeze(0),
            torch.ones(1, len(shells), device=signal.device),
            structural[None, None],
            self.variance.to(signal.device).unsqueeze(0),
        )

    def noise(self, signal: torch.Tensor, mask: torch.Tensor, b0_median: float) -> np.ndarray:
        """(S,) noise of E: median over the masked voxels of the residual of the fit of each shell."""
        voxels = signal[:, mask][:, :, None, None]
        features = self(voxels, torch.ones_like(voxels[0], dtype=torch.bool), b0_median)
        residuals = features.shells[0, :, FEATURE_COEFFICIENTS + 1].flatten(1) / _RESIDUAL_SCALE
        return residuals.median(dim=1).values.cpu().numpy()


def unscaled_coefficients(shells: torch.Tensor) -> torch.Tensor:
    """(..., 28, X, Y, Z) spherical harmonics coefficients of E from (..., 30, X, Y, Z) features."""
    scales = torch.as_tensor(_COEFFICIENT_SCALES, dtype=shells.dtype, device=shells.device)
    return shells[..., :FEATURE_COEFFICIENTS, :, :, :] / scales[:, None, None, None]


def _describe_shell(normalised: torch.Tensor, fit: np.ndarray, predict: np.ndarray, freedom: float) -> torch.Tensor:
    """(30, X, Y, Z) features of the (N, X, Y, Z) normalised signal of one shell."""
    flat = normalised.flatten(1)
    coefficients = torch.as_tensor(fit, dtype=flat.dtype, device=flat.device) @ flat
    residual = flat - torch.as_tensor(predict, dtype=flat.dtype, device=flat.device) @ coefficients
    spread = residual.square().sum(dim=0).div_(freedom).sqrt_()
    # Parseval: the variance over the sphere is the power above order zero over 4 pi.
    deviation = coefficients[1:].square().sum(dim=0).div_(4 * np.pi).sqrt_()
    scales = torch.as_tensor(_COEFFICIENT_SCALES, dtype=flat.dtype, device=flat.device)
    features = torch.cat(
        [coefficients * scales[:, None], deviation[None] * _DEVIATION_SCALE, spread[None] * _RESIDUAL_SCALE]
    )
    return features.unflatten(1, normalised.shape[1:])
