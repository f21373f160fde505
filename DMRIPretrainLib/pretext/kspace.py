"""Artifacts of conventional imaging, which reads one k-space for a whole image, in all volumes alike.

They are those of structural images (Pérez-García et al., TorchIO, Comput Methods Programs Biomed 208, 2021).
Echo-planar imaging reads each slice of each volume at once, and has those of ``simulation.artifacts``.
"""

from collections.abc import Sequence

import torch
from torch.nn.functional import affine_grid, grid_sample


def transform(
    volumes: torch.Tensor, matrix: torch.Tensor, translation: Sequence[float], voxel_size: Sequence[float]
) -> torch.Tensor:
    """Move what is in all volumes from the position p to ``matrix @ p + translation``.

    Args:
        volumes: (N, X, Y, Z) signal.
        matrix: (3, 3), for positions in mm from the centre of the grid along its axes (grid frame).
        translation: (3,) mm, grid frame.
        voxel_size: (3,) mm.

    Returns:
        (N, X, Y, Z) linearly interpolated; beyond the edge of the grid its last voxels go on.
    """
    sizes = zip(volumes.shape[1:], voxel_size, strict=True)
    # grid_sample counts from -1 to 1 between the centres of the outer voxels, and the last axis first.
    half = torch.tensor([max(count - 1, 1) * size / 2 for count, size in sizes], dtype=torch.float64)
    inverse = torch.linalg.inv(matrix.to("cpu", torch.float64)) / half[:, None]
    offset = -inverse @ torch.tensor(translation, dtype=torch.float64)
    theta = torch.cat([(inverse * half).flip(0, 1), offset.flip(0)[:, None]], dim=1)[None].to(volumes)
    where = affine_grid(theta, [1, 1, *volumes.shape[1:]], align_corners=True)
    return grid_sample(volumes[None], where, padding_mode="border", align_corners=True)[0]


def interrupt(positions: Sequence[torch.Tensor], changes: Sequence[int], axis: int) -> torch.Tensor:
    """Image an object that moves while k-space is read, plane after plane.

    The object is where it belongs when the centre of k-space is read, so that the image stays in place.

    Args:
        positions: (N, X, Y, Z) volumes of the object where it belongs, and in each other position in the order in which
            it takes them.
        changes: numbers of the first planes after each movement, ascending, one fewer than the positions.
        axis: voxel axis along which the planes are read, 0 to 2.

    Returns:
        (N, X, Y, Z) magnitude.
    """
    count = positions[0].shape[axis + 1]
    planes = torch.arange(count)
    part = torch.bucketize(planes, torch.tensor(changes, dtype=torch.long), right=True)
    central = int(part[count // 2])
    order = [*range(1, central + 1), 0, *range(central + 1, len(positions))]
    spectrum = torch.zeros_like(positions[0], dtype=torch.complex64)
    for number, which in enumerate(order):
        read = _along(part == number, axis).to(spectrum.device)
        # The planes differ along one axis only, and the transforms along the others cancel.
        spectrum += read * torch.fft.fftshift(torch.fft.fft(positions[which], dim=axis + 1), dim=axis + 1)
    return torch.fft.ifft(torch.fft.ifftshift(spectrum, dim=axis + 1), dim=axis + 1).abs()


def ghost(volumes: torch.Tensor, count: int, intensity: float, axis: int, restored: float = 0.02) -> torch.Tensor:
    """Weaken every few planes of k-space, which repeats the image along an axis.

    Args:
        volumes: (N, X, Y, Z) signal.
        count: number of ghosts: every (count + 1)-th plane is weakened.
        intensity: by which share it is.
        axis: voxel axis, 0 to 2.
        restored: share of the planes, around the centre, that are left alone.

    Returns:
        (N, X, Y, Z) magnitude.
    """
    planes = torch.fft.fftfreq(volumes.shape[axis + 1], 1 / volumes.shape[axis + 1]).round()
    weak = (planes % (count + 1) == 0) & (planes.abs() > restored * len(planes) / 2)
    factors = _along(1 - intensity * weak.to(volumes.dtype), axis).to(volumes.device)
    return torch.fft.ifft(torch.fft.fft(volumes, dim=axis + 1) * factors, dim=axis + 1).abs()


def _along(values: torch.Tensor, axis: int) -> torch.Tensor:
    """A vector as (1, X, Y, Z) along a voxel axis."""
    return values.reshape([-1 if dim == axis + 1 else 1 for dim in range(4)])
