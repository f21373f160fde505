"""Run a model over a whole scan, in windows of the size it was trained with."""

from collections.abc import Sequence

import numpy as np
import torch

from ..networks.model import DiffusionModel
from ..progress import Progress, silent
from ..qspace.deconvolution import fodf_trust
from ..qspace.prepare import PreparedScan
from ..tasks.orientation import OrientationTask
from ..tasks.registry import make_task

#: Share of a window that overlaps the next one.
_OVERLAP = 0.25
#: Voxels whose features are held at once; a shell of 64 directions takes about 60 MB.
_VOXELS_AT_ONCE = 60_000
#: Voxels around a slab that its input depends on: adapters look at direct neighbours.
_MARGIN = 1
_DECODED = "decoder features"


class Predictor:
    """A model ready to answer.

    Args:
        model: the model; it is moved to the device and put into evaluation mode.
        window: edge of the windows in voxels. Instance norm sees the statistics of a window, so take
            about the size of the patches in training.
        device: where to compute.
    """

    def __init__(self, model: DiffusionModel, window: int, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        self.window = window
        self.tasks = {head.task: make_task(head) for head in model.architecture.heads}

    def probabilities(
        self, scan: PreparedScan, volumes: np.ndarray | None = None, progress: Progress = silent
    ) -> dict[str, np.ndarray]:
        """Averaged output of every head.

        Args:
            scan: the scan.
            volumes: use these volumes alone; None for all.
            progress: told how far it is.

        Returns:
            (C, X, Y, Z) float32 probabilities (fODF coefficients for orientation) by task, in RAS voxel
            order and the grid frame.
        """
        return self.run(scan, volumes, progress)[0]

    @torch.inference_mode()
    def run(
        self,
        scan: PreparedScan,
        volumes: np.ndarray | None = None,
        progress: Progress = silent,
        decoded_in: np.ndarray | None = None,
    ) -> tuple[dict[str, np.ndarray], torch.Tensor | None]:
        """:meth:`probabilities`, and in the same pass what the decoder made of some voxels.

        Args:
            scan: the scan.
            volumes: use these volumes alone; None for all.
            progress: told how far it is.
            decoded_in: (V, 3) indices of voxels of the mask.

        Returns:
            The probabilities, and (1, D, V, 1, 1) decoder features on the CPU where voxels are given.
        """
        from monai.inferers import SlidingWindowInferer

        box = bounding_box(scan.mask)
        adapted, trust = self._adapt(scan, volumes, box)
        # The same in every window: once a voxel is enough.
        fit = self.model.fit(adapted.to(self.device), trust)
        channels = adapted.shape[1]
        inputs = adapted if fit is None else torch.cat([adapted, fit.cpu()], dim=1)
        inferer = SlidingWindowInferer(
            self.window, sw_batch_size=1, overlap=_OVERLAP, mode="gaussian", padding_mode="constant", device="cpu"
        )
        count = window_count(adapted.shape[2:], self.window)
        done = 0

        def answer(window: torch.Tensor) -> dict[str, torch.Tensor]:
            nonlocal done
            there, fitted = window.to(self.device).tensor_split([channels], dim=1)
            decoded = self.model.backbone(there)
            outputs = self.model.answer_decoded(decoded, there, trust, fitted if fitted.shape[1] else None)
            done += 1
            progress("predicting", min(done / count, 1.0))
            found = {task: self.tasks[task].probabilities(output).float().cpu() for task, output in outputs.items()}
            return found if decoded_in is None else found | {_DECODED: decoded.float().cpu()}

        averaged = inferer(inputs, answer)
        decoded = averaged.pop(_DECODED, None)
        if decoded is not None and decoded_in is not None:
            x, y, z = np.transpose(decoded_in - [side.start for side in box])
            decoded = decoded[:, :, x, y, z][..., None, None]
        return {task: _uncrop(tensor[0].numpy(), scan.shape, box) for task, tensor in averaged.items()}, decoded

    def _adapt(
        self, scan: PreparedScan, volumes: np.ndarray | None, box: tuple[slice, ...]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(1, A, x, y, z) input of the backbone in the box and (1, 4) trust, slab by slab: features are far larger."""
        projection = scan.projection(volumes)
        x, y, z = box
        size = max(1, _VOXELS_AT_ONCE // ((y.stop - y.start) * (z.stop - z.start)))
        slabs = []
        for start in range(x.start, x.stop, size):
            stop = min(start + size, x.stop)
            first, last = max(x.start, start - _MARGIN), min(x.stop, stop + _MARGIN)
            features = scan.features((slice(first, last), y, z), projection, volumes, self.device)
            slabs.append(self.model.adapter(features)[:, :, start - first : stop - first].float().cpu())
        return torch.cat(slabs, dim=2), fodf_trust(features)

    def answers(self, probabilities: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, np.ndarray]:
        """The map of every task, from :meth:`probabilities`, in RAS voxel order and the grid frame.

        A model that counts crossings too looks for as many peaks as it counts, see ``find_peaks``. Where it counts
        none, peaks above the usual thresholds are found all the same.
        """
        found = {task: self.tasks[task].answer(average, mask) for task, average in probabilities.items()}
        orientation = self.tasks.get("orientation")
        if "crossings" in found and isinstance(orientation, OrientationTask) and "orientation" in found:
            found["orientation"] = orientation.answer(probabilities["orientation"], mask, found["crossings"])
        return found


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Smallest box around the mask, so that nothing is spent on air."""
    return tuple(
        slice(int(present[0]), int(present[-1]) + 1)
        for present in (np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    )


def _uncrop(cropped: np.ndarray, shape: Sequence[int], box: tuple[slice, ...]) -> np.ndarray:
    whole = np.zeros((len(cropped), *shape), dtype=np.float32)
    whole[(slice(None), *box)] = cropped
    return whole


def window_count(shape: Sequence[int], window: int) -> int:
    """About how many windows cover a box of this shape."""
    step = max(1, int(window * (1 - _OVERLAP)))
    return int(np.prod([max(1, int(np.ceil((size - window) / step)) + 1) for size in shape]))
