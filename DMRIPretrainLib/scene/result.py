"""A folder of results as nodes beside the scan, at once or step by step."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import slicer

from ..tasks import maps
from .glyph_node import CROSSING_PROBABILITIES, CROSSINGS, LABEL_PROBABILITIES, LABELS, add_glyph_node
from .labels import Label, crossing_labels
from .result_content import ResultContent, ScanGrid, read_result
from .result_maps import add_angle_map, add_crossing_map, add_entropy_map, add_label_map, add_probability_map
from .scan_nodes import mean_b0_steps
from .segmentation import add_segmentation
from .shown_result import ShownResult, assign, mark, unique_name
from .slice_layers import show_in_slices
from .steps import Steps, require_in_scene, run_at_once
from .subject_hierarchy import add_folder, move_to_folder, remove_folder, remove_with_display
from .vector_volumes import add_vector_image


def show_result(
    folder: Path,
    scan: slicer.vtkMRMLVolumeNode,
    *,
    name: str | None = None,
    background: slicer.vtkMRMLScalarVolumeNode | None = None,
    labels: Sequence[Label] | None = None,
) -> ShownResult:
    """Add what ``predict`` or ``label`` has written to the scene of a scan, and show it in the slice views.

    Everything is read before the first node is made, so that a broken folder leaves the scene as it was.

    Args:
        folder: with any of the maps of ``tasks.maps``, and ``report.json``.
        scan: a node on the grid of the results.
        name: of the result; by default that of the folder. It is numbered where there is such a result already.
        background: the anatomy; by default the mean b0 of the scan is made.
        labels: of the segmentation; by default those that the report names, else the tissues where the values fit.

    Raises:
        UserError: if there is no map, one cannot be read or lies on another grid than the scan.
    """
    return run_at_once(result_steps(folder, scan, name=name, background=background, labels=labels))


def result_steps(
    folder: Path,
    scan: slicer.vtkMRMLVolumeNode,
    *,
    name: str | None = None,
    background: slicer.vtkMRMLScalarVolumeNode | None = None,
    labels: Sequence[Label] | None = None,
) -> Steps[ShownResult]:
    """As :func:`show_result`, step by step; nothing is seen, or counts as a result, before the last one.

    Where it is broken off, or the scan or the background leaves the scene, no node of it stays.
    """
    folder, grid = Path(folder), ScanGrid.of(scan)
    content = yield lambda: read_result(folder, grid, labels)
    require_in_scene(scan)
    making = _Making(scan, content)
    try:
        if background is None:
            background = yield from _background_steps(making)
        making.begin(name or folder.name, background)
        for _ in making.add_nodes():
            yield None
            require_in_scene(scan)
            require_in_scene(background)
        return making.finish()
    except BaseException:  # GeneratorExit too: whoever wanted the result has gone
        making.undo()
        raise


def _background_steps(making: "_Making") -> Steps[slicer.vtkMRMLScalarVolumeNode]:
    if not making.scan.IsA("vtkMRMLDiffusionWeightedVolumeNode"):
        return making.scan
    background = yield from mean_b0_steps(making.scan)
    making.nodes.append(background)
    yield None
    require_in_scene(making.scan)
    require_in_scene(background)
    return background


class _Making:
    """A result that is being made: its nodes become parts of it when all are there.

    Args:
        scan: what it is about.
        content: what is added.

    Attributes:
        nodes: those that were added so far.
    """

    def __init__(self, scan: slicer.vtkMRMLVolumeNode, content: ResultContent) -> None:
        self.scan = scan
        self.nodes: list[slicer.vtkMRMLNode] = []
        self._scene = scan.GetScene()
        self._content = content
        self._shown: ShownResult | None = None
        self._parts: list[tuple[slicer.vtkMRMLNode, str, str]] = []

    @property
    def shown(self) -> ShownResult:
        """The result."""
        assert self._shown is not None, "begin() comes first"
        return self._shown

    def begin(self, name: str, background: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Make the folder."""
        name = unique_name(self._scene, name)
        self._shown = ShownResult(name, self.scan, background, add_folder(self.scan, name), self._content.report)

    def add_nodes(self) -> Iterator[None]:
        """Add one node after the other; nothing of them is shown yet."""
        yield from self._add_segmentation()
        yield from self._add_crossings()
        yield from self._add_orientation()

    def finish(self) -> ShownResult:
        """Show it all at once."""
        shown = self.shown
        for node, part, key in self._parts:
            mark(shown, node, part, key)
        if shown.segmentation is not None:
            display = shown.segmentation.GetDisplayNode()
            display.SetVisibility(True)
            if shown.crossings is not None:
                # Two areas of colour over each other say nothing: the tissues are outlined.
                display.SetVisibility2DFill(False)
        show_in_slices(self._scene, shown.background, over=shown.crossings)
        return shown

    def undo(self) -> None:
        """Take all nodes away again; colour tables stay, since other maps may share them."""
        for node in reversed(self.nodes):
            if node.GetScene() is self._scene:
                remove_with_display(node)
        if self._shown is not None:
            remove_folder(self._scene, self._shown.folder)

    def _keep(self, node: slicer.vtkMRMLNode, part: str, key: str = "") -> None:
        self.nodes.append(node)
        self._parts.append((node, part, key))
        assign(self.shown, node, part, key)

    def _place(self, node: slicer.vtkMRMLTransformableNode, part: str, key: str = "") -> None:
        self._keep(node, part, key)
        move_to_folder(node, self.shown.folder)
        node.SetAndObserveTransformNodeID(self.scan.GetTransformNodeID() if self._content.moves else None)

    def _add_segmentation(self) -> Iterator[None]:
        content, shown = self._content, self.shown
        values = content.maps.get(maps.SEGMENTATION)
        if values is None:
            return
        segmentation = add_segmentation(
            self._scene,
            f"{shown.name} segmentation",
            values,
            content.affine,
            content.labels,
            self.scan,
            ready=content.surfaces,
        )
        segmentation.GetDisplayNode().SetVisibility(False)
        self._place(segmentation, "segmentation")
        yield
        name = f"{shown.name} labels"
        labels = add_label_map(self._scene, name, values, content.affine, content.labels, "Segmentation")
        self._place(labels, "labels")
        yield
        yield from self._add_sureness("segmentation", content.labels)

    def _add_crossings(self) -> Iterator[None]:
        values = self._content.maps.get(maps.CROSSINGS)
        if values is None:
            return
        name = f"{self.shown.name} crossings"
        self._place(add_crossing_map(self._scene, name, values, self._content.affine), "crossings")
        yield
        yield from self._add_sureness("crossings", crossing_labels())

    def _add_sureness(self, task: str, labels: Sequence[Label]) -> Iterator[None]:
        """Probabilities and uncertainty of a task whose answers are labels."""
        content, of_what = self._content, self.shown.name
        probabilities = content.maps.get(f"{task}_probabilities.nii.gz")
        if probabilities is not None:
            for index, label in enumerate(labels[: probabilities.shape[3]]):
                if label.value:
                    of = f"{label.name} fibre populations" if task == "crossings" else label.name
                    name = f"{of_what} probability of {of}"
                    node = add_probability_map(self._scene, name, probabilities[..., index], content.affine)
                    self._place(node, "probabilities", label.name)
                    yield
        entropy = content.maps.get(f"{task}_uncertainty.nii.gz")
        if entropy is not None:
            node = add_entropy_map(self._scene, f"{of_what} uncertainty of {task}", entropy, content.affine)
            self._place(node, "uncertainty", task)
            yield

    def _add_orientation(self) -> Iterator[None]:
        shown = self.shown
        spread = self._content.maps.get(maps.ORIENTATION_UNCERTAINTY)
        if spread is not None:
            name = f"{shown.name} uncertainty of direction"
            node = add_angle_map(self._scene, name, spread, self._content.affine, "Uncertainty")
            self._place(node, "uncertainty", "orientation")
            yield
        self._add_vectors(maps.PEAKS, "peaks", "peaks")
        yield
        self._add_vectors(maps.FOD, "fODF", "fodf")
        yield
        if shown.peaks is None and shown.fodf is None:
            return
        inspected = {
            LABELS: shown.labels,
            LABEL_PROBABILITIES: self._add_vectors(maps.SEGMENTATION_PROBABILITIES, "probabilities of labels"),
            CROSSINGS: shown.crossings,
            CROSSING_PROBABILITIES: self._add_vectors(
                maps.CROSSINGS_PROBABILITIES, "probabilities of fibre populations"
            ),
        }
        yield
        glyphs = add_glyph_node(
            self._scene,
            peaks=shown.peaks,
            fodf=shown.fodf,
            mask=shown.crossings,
            uncertainty=shown.uncertainty.get("orientation"),
            inspected={role: node for role, node in inspected.items() if node is not None},
            name=f"{shown.name} glyphs",
        )
        self._keep(glyphs, "glyphs")
        yield

    def _add_vectors(self, file: str, what: str, part: str = "") -> slicer.vtkMRMLVectorVolumeNode | None:
        image = self._content.vectors.get(file)
        if image is None:
            return None
        node = add_vector_image(self._scene, image, self._content.affine, f"{self.shown.name} {what}")
        self._place(node, part)
        return node
