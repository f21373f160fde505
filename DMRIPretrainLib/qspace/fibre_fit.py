"""One, two and three fibres fitted to the linear fODF.

A linear fODF of k fibres is, up to noise and order 0, a sum of k known lobes. The k directions that explain most of its
power are found by orthogonal matching pursuit (Pati et al. 1993), each then moved in turn while the others stay, and
refined between the directions of the grid. Near fibres are told apart where they no longer make peaks of their own, and
what is left of the power of each order tells how many fibres there are. Neither changes when the head turns.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from .deconvolution import fodf_of_peaks, lobe
from .direction_grid import direction_grid
from .harmonics import coefficient_orders, evaluate, evaluation_matrix
from .shells import FEATURE_ORDER

MOST_FIBRES = 3
#: Channels of a description: vectors of one, two and three fibres, and the power of each order that each leaves.
FIT_VECTORS, FIT_REMAINDERS = 18, 12
FIT_CHANNELS = FIT_VECTORS + FIT_REMAINDERS
#: Fibres of one voxel are at least this many degrees apart.
_SEPARATION = 25.0
#: Axons fan out: lobes are a little wider than those of parallel fibres, coefficients by exp(-l (l + 1) t).
_FANNING = 0.006
#: How often each fibre is moved once all are there.
_SWEEPS = 2
#: How far a fibre may lie from its direction of the grid, in radians: 9 degrees, where neighbours are 11 away.
_REACH = 0.15
#: Amplitude of fibres that explain nothing, so that their directions are kept.
_LEAST_AMPLITUDE = 1e-4
#: Few enough for the values of a block of voxels to stay in a CPU's cache.
_VOXELS_AT_ONCE = 2048


@torch.no_grad()
def fit_fibres(linear: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Fit one, two and three fibres to every voxel.

    Args:
        linear: (B, 28, X, Y, Z) linear fODF; zero outside the brain.
        trust: (B, 4) see ``deconvolution.fodf_trust``.

    Returns:
        (B, 30, X, Y, Z): 18 for six vectors, unit vector x amplitude, one for the single fibre, two, and three, each
        set strongest first; 12 for the root of the power left in orders 0, 2, 4 and 6 by one, two and three fibres,
        that of order 0 being what it was. Zero outside the brain.
    """
    flat = linear.float().movedim(1, 0).flatten(1)
    voxels = flat.shape[1] // len(linear)
    result = flat.new_zeros(FIT_CHANNELS, flat.shape[1])
    inside = torch.nonzero(flat[0])[:, 0]
    with torch.autocast(linear.device.type, enabled=False):
        for index, share in enumerate(trust.float()):
            here = inside[(inside >= index * voxels) & (inside < (index + 1) * voxels)]
            parts = here.split(_VOXELS_AT_ONCE)
            for part, fit in zip(parts, _in_threads(_Fit(share), flat, parts), strict=True):
                result[:, part] = fit.T
    return result.unflatten(1, (len(linear), *linear.shape[2:])).movedim(0, 1)


def _in_threads(fit: "_Fit", flat: torch.Tensor, parts: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Fits of the parts of (28, V) fODFs: one after the other, and on a CPU as many at once as PyTorch has threads.

    Blocks are too small for PyTorch to share one among threads.
    """

    @torch.no_grad()
    def of_part(part: torch.Tensor) -> torch.Tensor:
        return fit(flat[:, part].T)

    threads = torch.get_num_threads() if flat.device.type == "cpu" else 1
    if threads == 1:
        yield from map(of_part, parts)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(of_part, parts)
    finally:
        torch.set_num_threads(threads)


def fitted_vectors(fit: torch.Tensor, count: int) -> torch.Tensor:
    """(B, count, 3, ...) unit vector x amplitude of the fit of so many fibres, from (B, 30, ...) channels."""
    start = 3 * (count * (count - 1) // 2)
    return fit[:, start : start + 3 * count].unflatten(1, (count, 3))


def left_by_fits(fit: torch.Tensor) -> torch.Tensor:
    """(B, 3, ...) root of the power above order 0 that one, two and three fibres leave, from (B, 30, ...) channels."""
    return fit[:, FIT_VECTORS:].unflatten(1, (MOST_FIBRES, -1))[:, :, 1:].square().sum(dim=2).sqrt()


def fitted_fodf(fit: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(B, 45, X, Y, Z) weighted sum of the fODFs of one, two and three fibres.

    Args:
        fit: (B, 30, X, Y, Z) see :func:`fit_fibres`.
        weights: (B, 3, X, Y, Z) of each number of fibres.
    """
    vectors = fit[:, :FIT_VECTORS].float().unflatten(1, (-1, 3))
    each = weights.float().repeat_interleave(torch.arange(1, MOST_FIBRES + 1, device=fit.device), dim=1)
    peaks = (vectors * each[:, :, None]).flatten(3).permute(0, 3, 1, 2)
    return fodf_of_peaks(peaks.flatten(0, 1)).unflatten(0, (len(fit), *fit.shape[2:])).movedim(-1, 1)


class _Fit:
    """The fit for one gradient table.

    Args:
        trust: (4,) share of each order in the linear fODF.
    """

    def __init__(self, trust: torch.Tensor) -> None:
        device = trust.device
        self._grid = direction_grid("symmetric362").to(device)
        directions = self._grid.directions.cpu().numpy()
        basis = torch.as_tensor(evaluation_matrix(directions, FEATURE_ORDER), dtype=torch.float32, device=device)
        near = np.abs(directions @ directions.T) > np.cos(np.radians(_SEPARATION))
        orders = coefficient_orders(FEATURE_ORDER)
        fanning = np.exp(-_FANNING * orders * (orders + 1.0))
        self._orders = torch.as_tensor(orders // 2, device=device)
        factors = torch.as_tensor(lobe(FEATURE_ORDER) * fanning, dtype=torch.float32, device=device)
        self._lobe = factors * trust[self._orders]
        # How much there is of order 0 depends on grey matter and CSF.
        weights = (self._orders > 0).float()
        lobes = basis * self._lobe * weights
        self._power = float(lobes.square().sum(dim=1).mean().clamp(min=1e-9))
        self._lobes = lobes / self._power
        self._gram = lobes @ lobes.T / self._power
        self._too_near = torch.as_tensor(-1e3 * near, dtype=torch.float32, device=device)
        self._scale = (1 - self._gram.square()).clamp(min=0.05).rsqrt()
        #: Lone fibres by order 2 nearly alone: the noise of the higher ones moves them.
        smooth = torch.tensor([0.0, 1.0, 0.15, 0.0], device=device)[self._orders]
        self._smooth = self._lobes * smooth

    def __call__(self, linear: torch.Tensor) -> torch.Tensor:
        """(V, 30) description of (V, 28) fODFs."""
        along = linear @ self._lobes.T
        chosen = [_argmax(along)]
        vectors: list[torch.Tensor] = []
        remainders: list[torch.Tensor] = []
        smooth = linear @ self._smooth.T
        top = _argmax(smooth)
        self._describe(linear, [self._refined(self._around(smooth, top), top)], vectors, remainders)
        for _ in range(2, MOST_FIBRES + 1):
            self._describe(linear, self._with_another(along, chosen), vectors, remainders)
        return torch.cat([*vectors, *remainders], dim=1)

    def _with_another(self, along: torch.Tensor, chosen: list[torch.Tensor]) -> list[torch.Tensor]:
        """Add a fibre to the (V,) chosen ones, move each in turn, and refine: a list of (V, 3) unit vectors.

        A fibre is looked for again only in voxels where another one has moved since.
        """
        gain = self._gain(along, chosen)
        chosen.append(self._best(gain, chosen))
        around = [self._around(gain, top) for top in chosen]
        is_old = [torch.ones_like(top, dtype=torch.bool) for top in chosen]
        is_old[-1][:] = False
        for fibre in [*range(len(chosen))] * _SWEEPS:
            rows = torch.nonzero(is_old[fibre])[:, 0]
            others = [top[rows] for number, top in enumerate(chosen) if number != fibre]
            gain = self._gain(along.index_select(0, rows), others)
            best = self._best(gain, others)
            around[fibre][rows] = self._around(gain, best)
            moved = rows[best != chosen[fibre][rows]]
            chosen[fibre][rows] = best
            for number, old in enumerate(is_old):
                old[moved] |= number != fibre
            is_old[fibre][rows] = False
        return [self._refined(*both) for both in zip(around, chosen, strict=True)]

    def _gain(self, along: torch.Tensor, others: Sequence[torch.Tensor]) -> torch.Tensor:
        """(V, D) root of the power that a lobe in each direction explains beside those at the (V,) others."""
        first = others[0]
        a, at_first = self._gram.index_select(0, first), along.gather(1, first[:, None])
        if len(others) == 1:
            return torch.addcmul(along, a, at_first, value=-1).mul_(self._scale.index_select(0, first))
        second = others[1]
        b, at_second = self._gram.index_select(0, second), along.gather(1, second[:, None])
        g = a.gather(1, second[:, None])
        inverse = 1 / (1 - g * g).clamp(min=1e-2)
        left = torch.addcmul(along, a, (g * at_second - at_first) * inverse)
        left.addcmul_(b, (g * at_first - at_second) * inverse)
        # What of a lobe the two others do not explain already: the distance from their plane, by its square.
        # 1 - (a² + b² - 2gab) / (1 - g²), as (a - gb)² + (1 - g²) b² in the brackets.
        apart = torch.addcmul(a, b, g, value=-1)
        free = torch.addcmul((1 - g * g).clamp_(min=1e-2) * (b * b), apart, apart)
        return left.mul_(free.mul_(inverse).neg_().add_(1).clamp_(min=0.05).rsqrt_())

    def _best(self, gain: torch.Tensor, others: Sequence[torch.Tensor]) -> torch.Tensor:
        """(V,) directions of the largest (V, D) gain that are far enough from the (V,) others."""
        near = self._too_near.index_select(0, others[0])
        for other in others[1:]:
            near += self._too_near.index_select(0, other)
        return _argmax(near.add_(gain))

    def _around(self, values: torch.Tensor, top: torch.Tensor) -> torch.Tensor:
        """(V, 13) values at the fit points of the (V,) tops, from (V, D) values."""
        return values.gather(1, self._grid.fit_points[top])

    def _refined(self, around: torch.Tensor, top: torch.Tensor) -> torch.Tensor:
        """(V, 3) unit vectors of the maximum of the quadratic fit to (V, 13) values around the (V,) tops."""
        return self._grid.refine(around, top, _REACH)[0]

    def _describe(
        self,
        linear: torch.Tensor,
        directions: list[torch.Tensor],
        vectors: list[torch.Tensor],
        remainders: list[torch.Tensor],
    ) -> None:
        """Append amplitudes and what is left of the power of each order."""
        count = len(directions)
        stacked = torch.stack(directions, dim=1)
        lobes = evaluate(stacked.flatten(0, 1), FEATURE_ORDER) * self._lobe
        lobes = lobes.unflatten(0, (len(linear), count))
        explained = lobes * (self._orders > 0)
        gram = torch.einsum("vik,vjk->vij", explained, explained) / self._power
        along = torch.einsum("vik,vk->vi", explained, linear) / self._power
        gram = gram + 1e-3 * torch.eye(count, device=linear.device)
        amplitudes = torch.linalg.solve(gram, along)
        if count > 1:
            # Those that are negative are none, and the others are found without them.
            none = torch.diag_embed(1e6 * (amplitudes < 0).to(gram.dtype))
            amplitudes = torch.linalg.solve(gram + none, along)
        amplitudes = amplitudes.clamp(min=_LEAST_AMPLITUDE)
        left = linear - torch.einsum("vi,vik->vk", amplitudes, explained)
        power = linear.new_zeros(len(linear), FEATURE_ORDER // 2 + 1)
        remainders.append(power.index_add_(1, self._orders, left.square()).sqrt())
        order = amplitudes.argsort(dim=1, descending=True)
        sorted_vectors = (stacked * amplitudes[..., None]).gather(1, order[..., None].expand(-1, -1, 3))
        vectors.append(sorted_vectors.flatten(1))


def _argmax(values: torch.Tensor) -> torch.Tensor:
    """(V,) places of the largest of (V, D) values; NumPy is several times faster than PyTorch on a CPU."""
    if values.device.type == "cpu":
        return torch.from_numpy(values.numpy().argmax(axis=1))
    return values.argmax(dim=1)
