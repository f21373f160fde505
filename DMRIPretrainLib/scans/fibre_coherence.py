"""How well fibre directions fit the anatomy around them, for every axis change of the gradient table.

A tensor is fitted once. Changing the table by an orthogonal matrix P turns a fibre direction v into
P v and leaves the fractional anisotropy (FA) alone, so the 24 candidates differ in P alone. Two kinds
of evidence, both even in v, are gathered for each, in blocks of the brain so that the scatter between
blocks says how sure the result is:

alignment
    Neighbours along a fibre point along it too: the sum over neighbouring voxels a, b with connecting
    unit vector u of FA_a FA_b (v_a·u)² (v_b·u)². A smooth form of the fibre coherence index of
    Schilling et al. 2019, Magn Reson Imaging 58:82-89.
tubes
    Bundles are tubes, inside of which FA varies across and not along the fibre: the covariance
    of v v^T with n n^T, where n is the unit vector along the gradient of FA, negated and weighted
    with FA. The covariance, not the mean, because blur along one axis alone would bias the mean.

Directions and positions are in the grid frame of the image that is handed in.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage, sparse

from .mask import brain_mask
from .scan import Scan

#: Voxels below this FA say little about fibres.
MINIMUM_FA = 0.2
#: Edge of the cubes whose sums are taken as independent, in mm.
BLOCK_SIZE = 20.0
#: Finer images are averaged to about this voxel size: less noise, less time, no interpolated voxels.
WORKING_VOXEL_SIZE = 2.0
#: Volumes up to this b-value (s/mm²) suit a tensor; higher ones serve only where there are too few.
TENSOR_BVALUE = 1500.0
#: Weighted volumes wanted for the tensor before higher b-values are left out.
ENOUGH_VOLUMES = 12

# One of each pair of opposite neighbours in the 26-neighbourhood.
_NEIGHBOURS = [step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]


@dataclass(frozen=True)
class Fibres:
    """Fibre directions of a brain, zero outside of it.

    Attributes:
        fa: (X, Y, Z) fractional anisotropy.
        directions: (X, Y, Z, 3) principal directions of the tensors, unit vectors, grid frame.
        mask: (X, Y, Z) bool, True in the brain.
        spacing: (3,) edge lengths of a voxel in mm.
    """

    fa: np.ndarray
    directions: np.ndarray
    mask: np.ndarray
    spacing: np.ndarray

    def inside(self, margin: int) -> np.ndarray:
        """(X, Y, Z) bool: fibre voxels at least ``margin`` voxels from the edge of the brain."""
        return ndimage.binary_erosion(self.mask, iterations=margin, border_value=1) & (self.fa > MINIMUM_FA)

    @cached_property
    def blocks(self) -> np.ndarray:
        """(X, Y, Z) number of the block that each voxel is in."""
        middle = (np.array(self.fa.shape).reshape(3, 1, 1, 1) - 1) / 2
        offsets = (np.indices(self.fa.shape) - middle) * self.spacing.reshape(3, 1, 1, 1)
        numbers = np.floor(offsets / BLOCK_SIZE).astype(int)
        numbers -= numbers.min(axis=(1, 2, 3), keepdims=True)
        return np.asarray(np.ravel_multi_index(tuple(numbers), tuple(numbers.max(axis=(1, 2, 3)) + 1)))

    def sum_blocks(self, values: np.ndarray, weights: np.ndarray, voxels: np.ndarray) -> np.ndarray:
        """(B, C) weighted sums of (V, C) values by the block of their voxels, given as (V,) block numbers."""
        shape = (int(self.blocks.max()) + 1, len(values))
        return sparse.csr_array((weights.astype(float), (voxels, np.arange(len(values)))), shape=shape) @ values


def tensor_volumes(scan: Scan) -> np.ndarray | None:
    """Indices of the volumes that a tensor is fitted to, or None where they do not determine one."""
    table = scan.gradients
    weighted = np.flatnonzero(~table.is_b0 & table.directions.any(axis=1))
    if len(weighted) < 6:
        return None
    bvals = table.bvals[weighted]
    limit = max(TENSOR_BVALUE, 1.05 * np.sort(bvals)[min(ENOUGH_VOLUMES, len(bvals)) - 1])
    volumes = np.concatenate([np.flatnonzero(table.is_b0), weighted[bvals <= limit]])
    design = _tensor_design(table.bvals[volumes], table.directions[volumes])
    return volumes if np.linalg.cond(design) < 1e3 else None


def fit_fibres(scan: Scan, volumes: np.ndarray) -> Fibres:
    """Fibre directions of a scan with the gradient table as given, from a log-linear tensor fit.

    Args:
        scan: the scan; its mask, or where it has none ``brain_mask``, says where the brain is.
        volumes: indices of the volumes to use (``tensor_volumes``).

    Raises:
        UserError: if no brain is found.
    """
    signal, mask, spacing = _working_image(scan, volumes)
    table = scan.grid_gradients().subset(volumes)
    fa, directions = _fit(signal, mask, _tensor_design(table.bvals, table.directions))
    return Fibres(fa, directions, mask, spacing)


def main_directions(scan: Scan, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Fractional anisotropy and fibre direction of single voxels, from a tensor fit.

    Args:
        scan: the scan.
        voxels: (V, 3) indices.

    Returns:
        (V,) FA and (V, 3) unit vectors in the world frame; None where the scan does not determine a tensor.
    """
    volumes = tensor_volumes(scan)
    if volumes is None:
        return None
    table = scan.gradients.subset(volumes)
    x, y, z = voxels.T
    signal = np.stack([np.asarray(scan.signal[..., volume][x, y, z], np.float32) for volume in volumes], axis=1)
    return _fit_tensors(signal, _tensor_design(table.bvals, table.directions))


def fibre_evidence(fibres: Fibres, candidates: np.ndarray) -> np.ndarray:
    """Evidence for candidate changes of the gradient table, in blocks of the brain.

    Args:
        fibres: directions with the table as given.
        candidates: (C, 3, 3) orthogonal matrices that multiply directions in the grid frame.

    Returns:
        (2, B, C) sums of alignment and tube evidence in the B blocks of fibres; higher is better.
    """
    used = np.unique(fibres.blocks[fibres.inside(margin=1)])
    return np.stack([_alignment(fibres, candidates), _tubes(fibres, candidates)])[:, used]


def _tensor_design(bvals: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(N, 7) design of ln S = ln S0 - b g^T D g, b in ms/µm², for xx, yy, zz, xy, xz, yz and ln S0."""
    x, y, z = directions.T
    products = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], axis=1)
    return np.column_stack([-bvals[:, None] / 1000 * products, np.ones(len(bvals))])


def _working_image(scan: Scan, volumes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(V, N) signal of the V mask voxels, (X, Y, Z) mask and (3,) voxel size, at the working voxel size."""
    factors = np.maximum(1, np.round(WORKING_VOXEL_SIZE / scan.voxel_size)).astype(int)
    factors = np.minimum(factors, scan.shape)
    b0 = _block_mean(scan.mean_b0(), factors)
    brain = brain_mask(scan) if scan.mask is None else scan.mask
    mask = (_block_mean(brain, factors) > 0.5) & (b0 > 0)
    signal = np.stack([_block_mean(scan.signal[..., volume], factors)[mask] for volume in volumes], axis=1)
    return signal, mask, scan.voxel_size * factors


def _block_mean(image: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """(X, Y, Z) image averaged over blocks of ``factors`` voxels; what does not fill a block is left out."""
    x, y, z = (size // factor for size, factor in zip(image.shape, factors, strict=True))
    fx, fy, fz = factors
    cropped = np.asarray(image[: x * fx, : y * fy, : z * fz], dtype=np.float32)
    return cropped.reshape(x, fx, y, fy, z, fz).mean(axis=(1, 3, 5))


def _fit(signal: np.ndarray, mask: np.ndarray, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FA (X, Y, Z) and principal directions (X, Y, Z, 3) of a log-linear tensor fit, zero outside the mask."""
    fa = np.zeros(mask.shape, dtype=np.float32)
    directions = np.zeros((*mask.shape, 3), dtype=np.float32)
    fa[mask], directions[mask] = _fit_tensors(signal, design)
    return fa, directions


def _fit_tensors(signal: np.ndarray, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FA (V,) and principal directions (V, 3) of (V, N) signals, in the frame of the design."""
    signal = np.nan_to_num(signal)
    floor = np.maximum(1e-3 * signal.max(axis=1, keepdims=True), 1e-6)
    logarithm = np.log(np.maximum(signal, floor))
    coefficients = logarithm @ np.linalg.pinv(design).T.astype(np.float32)
    values, vectors = np.linalg.eigh(coefficients[:, [0, 3, 4, 3, 1, 5, 4, 5, 2]].reshape(-1, 3, 3))
    values = np.maximum(values, 0)
    spread = np.sum((values - values.mean(axis=1, keepdims=True)) ** 2, axis=1)
    return np.sqrt(1.5 * spread / np.maximum(np.sum(values**2, axis=1), 1e-12)), vectors[:, :, 2]


def _alignment(fibres: Fibres, candidates: np.ndarray) -> np.ndarray:
    fa, directions, spacing, blocks = fibres.fa, fibres.directions, fibres.spacing, fibres.blocks
    inside = fibres.inside(margin=1)
    # Neighbours about equally far along all axes: else thick slices would favour directions in plane.
    stride = np.round(spacing.max() / spacing).astype(int)
    total = np.zeros((int(blocks.max()) + 1, len(candidates)))
    for neighbour in _NEIGHBOURS:
        step = neighbour * stride
        here, there = _shifted(step, fa.shape)
        pairs = inside[here] & inside[there]
        connection = step * spacing / np.linalg.norm(step * spacing)
        # (P v)·u = v·(P^T u)
        turned = (connection @ candidates).T.astype(np.float32)
        aligned = (directions[here][pairs] @ turned) ** 2 * (directions[there][pairs] @ turned) ** 2
        total += fibres.sum_blocks(aligned, fa[here][pairs] * fa[there][pairs], blocks[here][pairs])
    return total


def _shifted(step: np.ndarray, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of the voxels that have a neighbour ``step`` voxels on, and of these neighbours."""
    here = tuple(slice(max(0, -s), max(0, n - max(0, s))) for s, n in zip(step, shape, strict=True))
    there = tuple(slice(max(0, s), max(0, n - max(0, -s))) for s, n in zip(step, shape, strict=True))
    return here, there


def _tubes(fibres: Fibres, candidates: np.ndarray) -> np.ndarray:
    fa, spacing, blocks = fibres.fa, fibres.spacing, fibres.blocks
    # Differences of FA reach one voxel further, and must not reach outside the brain.
    inside = fibres.inside(margin=2)
    if not inside.any() or min(fa.shape) < 2:
        return np.zeros((int(blocks.max()) + 1, len(candidates)))
    normals = np.stack(np.gradient(fa, *spacing), axis=-1)[inside]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    weights = fa[inside]
    across = _centred_outer(normals, weights)
    along = _centred_outer(fibres.directions[inside], weights)
    # vec(P M P^T) = (P ⊗ P) vec(M)
    values = np.stack([-np.sum((along @ np.kron(p, p).T) * across, axis=1) for p in candidates], axis=1)
    return fibres.sum_blocks(values, weights, blocks[inside])


def _centred_outer(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(V, 9) outer products of (V, 3) vectors with themselves, less their weighted mean."""
    outer = (vectors[:, :, None] * vectors[:, None, :]).reshape(-1, 9)
    return outer - np.average(outer, axis=0, weights=weights)
