"""Run a model over a whole scan, in windows of the size it was trained with."""

import numpy as np
import torch

from ..networks.model import DiffusionModel
from ..progress import Progress, silent
from ..qspace.deconvolution import fodf_trust
from ..qspace.prepare import PreparedScan
from ..tasks.orientation import OrientationTask
from ..tasks.registry import make_task
from .windows import BrainWindows, WindowMeans, in_box

#: Voxels whose features are held at once; a shell of 64 directions takes about 60 MB.
_VOXELS_AT_ONCE = 60_000
#: Voxels of a slab across, at least: those around it are computed twice.
_LEAST_THICKNESS = 8
#: Voxels around a slab that its input depends on: adapters look at direct neighbours.
_MARGIN = 1
#: PyTorch convolves a single small window on a CPU several times slower than two at once.
_WINDOWS_AT_ONCE = 2
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
            order and the grid frame; zero outside the mask.
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
        box = bounding_box(scan.mask)
        mask = np.ascontiguousarray(scan.mask[box])
        means = self._means(scan, volumes, box, progress, decoded_in is not None)
        decoded = means.pop(_DECODED, None)
        if decoded is not None and decoded_in is not None:
            rows = np.cumsum(scan.mask).reshape(scan.shape)[tuple(decoded_in.T)] - 1
            decoded = decoded.cpu()[None, :, torch.from_numpy(rows), None, None]
        # One after the other, so that of a large scan not all are there twice.
        return {task: in_box(means.pop(task), mask, scan.shape, box) for task in list(means)}, decoded

    def _means(
        self, scan: PreparedScan, volumes: np.ndarray | None, box: tuple[slice, ...], progress: Progress, decode: bool
    ) -> dict[str, torch.Tensor]:
        """(C, V) output of every head in the voxels of the mask, and with ``decode`` what the decoder made of them."""
        adapted, trust = self._adapt(scan, volumes, box)
        inside = torch.from_numpy(np.ascontiguousarray(scan.mask[box]))
        # The same in every window: once a voxel is enough.
        fit = self.model.fit(_of_voxels(adapted, inside).to(self.device), trust)
        inside = inside.to(self.device)
        windows = BrainWindows(inside, self.window)
        means = WindowMeans(int(inside.sum()), self.device)
        done = 0
        for group in windows.cut(adapted, _WINDOWS_AT_ONCE):
            there = torch.cat([window.values for window in group]).to(self.device)
            for window, values, decoded in zip(group, there.split(1), self.model.backbone(there).split(1), strict=True):
                decoded_here = _of_voxels(decoded, window.inside)
                fitted = None if fit is None else fit[:, :, window.rows]
                outputs = self.model.answer_decoded(decoded_here, _of_voxels(values, window.inside), trust, fitted)
                found = {task: self.tasks[task].probabilities(output) for task, output in outputs.items()}
                means.add(window, found | ({_DECODED: decoded_here} if decode else {}))
            done += len(group)
            progress("predicting", done / len(windows))
        return means.values

    def _adapt(
        self, scan: PreparedScan, volumes: np.ndarray | None, box: tuple[slice, ...]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(1, A, x, y, z) input of the backbone in the box and (1, 4) trust, slab by slab: features are far larger."""
        projection = scan.projection(volumes)
        # Slabs of what lies together in memory.
        axis = int(np.abs(scan.signal.strides[:3]).argmax())
        shape = [side.stop - side.start for side in box]
        thickness = max(_LEAST_THICKNESS, _VOXELS_AT_ONCE * shape[axis] // int(np.prod(shape)))
        adapted = torch.empty(1, self.model.adapter.output_channels, *shape)
        for start in range(0, shape[axis], thickness):
            stop = min(start + thickness, shape[axis])
            first, last = max(0, start - _MARGIN), min(shape[axis], stop + _MARGIN)
            where = list(box)
            where[axis] = slice(box[axis].start + first, box[axis].start + last)
            features = scan.features(tuple(where), projection, volumes, self.device)
            slab = self.model.adapter(features).narrow(2 + axis, start - first, stop - start)
            adapted.narrow(2 + axis, start, stop - start).copy_(slab)
        return adapted, fodf_trust(features)

    def answers(self, probabilities: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, np.ndarray]:
        """The map of every task, from :meth:`probabilities`, in RAS voxel order and the grid frame.

        A model that counts crossings too looks for as many peaks as it counts, see ``find_peaks``. Where it counts
        none, peaks above the usual thresholds are found all the same.
        """
        orientation = self.tasks.get("orientation")
        counted = "crossings" in probabilities and isinstance(orientation, OrientationTask)
        others = {task: average for task, average in probabilities.items() if not (counted and task == "orientation")}
        found = {task: self.tasks[task].answer(average, mask) for task, average in others.items()}
        if counted and isinstance(orientation, OrientationTask) and "orientation" in probabilities:
            found["orientation"] = orientation.answer(probabilities["orientation"], mask, found["crossings"])
        return found


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Smallest box around the mask, so that nothing is spent on air."""
    return tuple(
        slice(int(present[0]), int(present[-1]) + 1)
        for present in (np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    )


def _of_voxels(box: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(1, C, V, 1, 1) values of the voxels of an (X, Y, Z) mask, from (1, C, X, Y, Z): for layers voxel by voxel."""
    return box.flatten(2)[:, :, mask.flatten()][..., None, None]
