"""Glyphs that follow the slice views."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk

from ..errors import UserError
from .fodf_glyphs import fodf_meshes
from .glyph_canvas import Canvas, CanvasMaker, CanvasStyle, ModelCanvas
from .glyph_node import ROLES, field_of, glyph_nodes, set_settings, settings_of
from .glyph_settings import GlyphKind, GlyphSettings, ShownIn3D
from .orientation_field import OrientationField
from .peak_glyphs import peak_lines, peak_tubes
from .slab import Plane, voxels_in_mask, voxels_in_slab

#: Runs a function now or soon; see ``GlyphDisplay``.
Schedule = Callable[[Callable[[], None]], None]


def run_now(task: Callable[[], None]) -> None:
    """The schedule that does not wait."""
    task()


@dataclass
class _Follower:
    """One slice view with its glyphs.

    Attributes:
        slice_node: of the view.
        in_slice: draws in the view.
        in_3d: draws the same in the 3D views, where it is wanted.
        drawn: the plane that is drawn, None for nothing.
        tag: of the observer.
    """

    slice_node: slicer.vtkMRMLSliceNode
    in_slice: Canvas
    in_3d: Canvas
    drawn: tuple[float, ...] | None = None
    tag: int = 0


@dataclass
class _Observations:
    """Observers to be taken away again."""

    items: list[tuple[vtk.vtkObject, int]] = field(default_factory=list)

    def add(self, subject: vtk.vtkObject, event: int, callback: Callable[..., None]) -> None:
        self.items.append((subject, subject.AddObserver(event, callback)))

    def clear(self) -> None:
        for subject, tag in self.items:
            subject.RemoveObserver(tag)
        self.items.clear()


class GlyphDisplay:
    """Shows what a node of ``glyph_node`` says, in slice views and 3D views, until it is closed.

    Several displays live side by side, each with its own node. Glyphs are drawn again when a slice moves, when settings
    or volumes change, and when views come or go. What is drawn on a slice is found from its plane: a change costs as
    much as the slice is large. The display ends by itself when its node or the scene goes.

        display = GlyphDisplay(add_glyph_node(scene, peaks=volume))
        display.settings = replace(display.settings, opacity=0.5)
        display.close()

    Args:
        node: what to show; see ``glyph_node.add_glyph_node``.
        schedule: called with a function that draws fODFs, for each move of a slice: may run it later, once the slice
            has come to rest, and then only the last one it was given. Until then the view shows none.
        make_canvas: what to draw with.
        draw: whether to draw at once; else nothing is drawn before ``refresh`` or ``change``.
    """

    def __init__(
        self,
        node: slicer.vtkMRMLScriptedModuleNode,
        schedule: Schedule = run_now,
        make_canvas: CanvasMaker = ModelCanvas,
        *,
        draw: bool = True,
    ) -> None:
        self.node = node
        #: Why nothing is shown, in words for the user; empty where all is well.
        self.problem = ""
        self._scene = node.GetScene()
        self._schedule = schedule
        self._make_canvas = make_canvas
        self._settings = settings_of(node)
        self._field = OrientationField(np.eye(4))
        self._field_of: tuple[Any, ...] | None = None
        self._followers: dict[str, _Follower] = {}
        self._volume = make_canvas(node, f"{node.GetName()} volume", in_slices=False)
        self._of_scene = _Observations()
        self._of_sources = _Observations()
        self._waiting = False
        self._changing = False
        self._observe_scene()
        if draw:
            self.refresh()

    @property
    def settings(self) -> GlyphSettings:
        """How it looks; kept in the node."""
        return self._settings

    @settings.setter
    def settings(self, settings: GlyphSettings) -> None:
        set_settings(self.node, settings)

    def change(self, settings: GlyphSettings) -> Iterator[None]:
        """Set the settings; what is returned draws one slice after the other, so that a window stays alive between."""
        self._changing = True
        try:
            set_settings(self.node, settings)
        finally:
            self._changing = False
        return self._drawing()

    @property
    def field(self) -> OrientationField:
        """The arrays that are shown."""
        return self._field

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._scene is None

    def refresh(self) -> None:
        """Read settings and volumes anew and draw everything."""
        if not self._changing:
            for _ in self._drawing():
                pass

    def _drawing(self) -> Iterator[None]:
        if self._scene is None or self._busy():
            self._waiting = self._scene is not None
            return
        self._waiting = False
        self._settings = settings_of(self.node)
        self._read_field()
        for slice_node in _nodes(self._scene, "vtkMRMLSliceNode"):
            self._follow(slice_node)
        for follower in self._followers.values():
            follower.drawn = None
        for identifier in list(self._followers):
            # While others had their turn the view may have gone, or its slice has moved and is drawn.
            waiting = self._followers.get(identifier)
            if waiting is not None and waiting.drawn is None:
                self._draw_slice(waiting)
                yield
        if self._scene is not None:
            self._draw_volume()

    def _read_field(self) -> None:
        """Find the arrays again, unless what they depend on is as before: how they look is no reason to."""
        sources = tuple(self.node.GetNodeReferenceID(role) for role in ROLES)
        needed = (*sources, self._settings.mask_labels, self._settings.mask_segments)
        if needed == self._field_of:
            return
        self._field_of = needed
        self._observe_sources()
        try:
            self._field, self.problem = field_of(self.node), ""
        except UserError as error:
            self._field, self.problem = OrientationField(np.eye(4)), str(error)
            logging.warning("%s", error)

    def close(self) -> None:
        """Take away all models and observers; the node stays."""
        if self._scene is None:
            return
        self._of_scene.clear()
        self._of_sources.clear()
        for identifier in list(self._followers):
            self._forget(identifier)
        self._volume.remove()
        self._scene = None

    # --- what changes ---------------------------------------------------------------------------

    def _busy(self) -> bool:
        return bool(self._scene.IsBatchProcessing() or self._scene.IsImporting() or self._scene.IsClosing())

    def _observe_scene(self) -> None:
        scene = slicer.vtkMRMLScene
        self._of_scene.add(self._scene, scene.NodeAddedEvent, self._on_node_added)
        self._of_scene.add(self._scene, scene.NodeAboutToBeRemovedEvent, self._on_node_leaves)
        self._of_scene.add(self._scene, scene.StartCloseEvent, lambda *_: self.close())
        self._of_scene.add(self._scene, scene.EndImportEvent, self._on_rest)
        self._of_scene.add(self._scene, scene.EndBatchProcessEvent, self._on_rest)
        self._of_scene.add(self.node, vtk.vtkCommand.ModifiedEvent, self._on_change)

    def _observe_sources(self) -> None:
        self._of_sources.clear()
        for source in filter(None, (self.node.GetNodeReference(role) for role in ROLES)):
            moved = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
            self._of_sources.add(source, moved, self._on_source_change)
            if source.IsA("vtkMRMLSegmentationNode"):
                changed = slicer.vtkSegmentation.SourceRepresentationModified
                self._of_sources.add(source.GetSegmentation(), changed, self._on_source_change)
            else:
                changed = slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent
                self._of_sources.add(source, changed, self._on_source_change)
                # All that is said after voxels have been changed in place, as by slicer.util.arrayFromVolumeModified.
                self._of_sources.add(source, vtk.vtkCommand.ModifiedEvent, self._on_source_change)

    def _on_change(self, *_: Any) -> None:
        self.refresh()

    def _on_source_change(self, *_: Any) -> None:
        self._field_of = None
        self.refresh()

    def _on_rest(self, *_: Any) -> None:
        if self._waiting:
            self.refresh()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_added(self, _scene: Any, _event: str, added: slicer.vtkMRMLNode) -> None:
        if added.IsA("vtkMRMLSliceNode") and self._field_of is not None and not self._busy():
            self._follow(added)
            self._draw_slice(self._followers[added.GetID()])
        elif added.IsA("vtkMRMLAbstractViewNode"):
            self.refresh()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_leaves(self, _scene: Any, _event: str, leaving: slicer.vtkMRMLNode) -> None:
        identifier = leaving.GetID()
        if leaving is self.node:
            self.close()
        elif identifier in self._followers:
            self._forget(identifier)
        elif any(self.node.GetNodeReferenceID(role) == identifier for role in ROLES):
            for role in ROLES:
                if self.node.GetNodeReferenceID(role) == identifier:
                    self.node.SetNodeReferenceID(role, None)
            self.refresh()

    def _follow(self, slice_node: slicer.vtkMRMLSliceNode) -> None:
        if slice_node.GetID() in self._followers:
            return
        name = f"{self.node.GetName()} {slice_node.GetLayoutName() or slice_node.GetName()}"
        follower = _Follower(
            slice_node,
            self._make_canvas(self.node, name, in_slices=True),
            self._make_canvas(self.node, f"{name} 3D", in_slices=False),
        )
        follower.tag = slice_node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._on_move(follower))
        self._followers[slice_node.GetID()] = follower

    def _forget(self, identifier: str) -> None:
        follower = self._followers.pop(identifier)
        follower.slice_node.RemoveObserver(follower.tag)
        follower.in_slice.remove()
        follower.in_3d.remove()

    def _on_move(self, follower: _Follower) -> None:
        if self._scene is None or self._busy() or self._plane_key(follower) == follower.drawn:
            return
        if self._settings.kind is GlyphKind.PEAKS:
            self._draw_slice(follower)
            return
        follower.drawn = None
        self._schedule(self._draw_waiting)
        if follower.drawn is None:
            follower.in_slice.hide()
            follower.in_3d.hide()

    def _draw_waiting(self) -> None:
        for follower in self._followers.values():
            if follower.drawn is None and self._scene is not None:
                self._draw_slice(follower)

    # --- drawing --------------------------------------------------------------------------------

    def _plane_key(self, follower: _Follower) -> tuple[float, ...]:
        """What a drawing depends on: peaks are drawn beyond the edges of the view, fODFs are not."""
        node = follower.slice_node
        key: tuple[float, ...] = tuple(node.GetSliceToRAS().GetData())
        if self._settings.kind is GlyphKind.FODF:
            key += (*node.GetFieldOfView(), *node.GetXYZOrigin())
        return key

    def _draw_slice(self, follower: _Follower) -> None:
        follower.drawn = self._plane_key(follower)
        views = self._settings.views
        if not self._settings.visible or (views and follower.slice_node.GetLayoutName() not in views):
            follower.in_slice.hide()
            follower.in_3d.hide()
            return
        plane = plane_of(follower.slice_node)
        voxels, step = _slice_voxels(self._field, plane, self._settings)
        mesh = _mesh(self._field, voxels, step, self._settings, plane)
        follower.in_slice.draw(mesh, self._style((follower.slice_node.GetID(),)))
        if self._settings.in_3d is ShownIn3D.SLICES and self._in_3d_views() is not None:
            follower.in_3d.draw(self._for_3d(mesh, voxels, step), self._style(self._in_3d_views() or ()))
        else:
            follower.in_3d.hide()

    def _draw_volume(self) -> None:
        views = self._in_3d_views()
        if not self._settings.visible or self._settings.in_3d is not ShownIn3D.VOLUME or views is None:
            self._volume.hide()
            return
        voxels, step = _volume_voxels(self._field, self._settings)
        mesh = None
        if self._settings.kind is GlyphKind.PEAKS:
            mesh = peak_lines(self._field, voxels, self._settings.peaks, step)
        self._volume.draw(self._for_3d(mesh, voxels, step), self._style(views))

    def _for_3d(self, in_slice: vtk.vtkPolyData | None, voxels: np.ndarray, step: int) -> vtk.vtkPolyData:
        """The same for 3D views, which light surfaces and see them from all sides."""
        settings = self._settings
        if settings.kind is GlyphKind.FODF or in_slice is None:
            return fodf_meshes(self._field, voxels, settings.fodf, step)
        if settings.peaks.tubes:
            return peak_tubes(in_slice, settings.peaks.tube_radius * self._field.edge * step)
        return in_slice

    def _style(self, views: tuple[str, ...]) -> CanvasStyle:
        return CanvasStyle(self._settings.opacity, self._settings.peaks.line_width, views)

    def _in_3d_views(self) -> tuple[str, ...] | None:
        """IDs of the 3D views to draw in: empty for all, None for none."""
        if not self._settings.views:
            return ()
        nodes = _nodes(self._scene, "vtkMRMLViewNode")
        return tuple(node.GetID() for node in nodes if node.GetLayoutName() in self._settings.views) or None


def attach_displays(
    scene: slicer.vtkMRMLScene, displays: list[GlyphDisplay], schedule: Schedule = run_now, *, draw: bool = True
) -> list[GlyphDisplay]:
    """The displays that are still alive, and new ones for all other nodes: after a scene has been loaded."""
    alive = [display for display in displays if not display.closed]
    shown = {display.node.GetID() for display in alive}
    new = [node for node in glyph_nodes(scene) if node.GetID() not in shown]
    return alive + [GlyphDisplay(node, schedule, draw=draw) for node in new]


def plane_of(slice_node: slicer.vtkMRMLSliceNode) -> Plane:
    """The plane of a slice view and how much of it is seen."""
    to_ras = slicer.util.arrayFromVTKMatrix(slice_node.GetSliceToRAS())
    right, up = (to_ras[:3, axis] / np.linalg.norm(to_ras[:3, axis]) for axis in (0, 1))
    x, y, _ = slice_node.GetXYZOrigin()
    centre = to_ras[:3, :3] @ [x, y, 0] + to_ras[:3, 3]
    width, height, _ = slice_node.GetFieldOfView()
    return Plane(centre, right, up, (width, height))


def _slice_voxels(orientations: OrientationField, plane: Plane, settings: GlyphSettings) -> tuple[np.ndarray, int]:
    """The voxels to draw on a slice, and how many lie between two of them."""
    step = settings.subsampling
    while True:
        voxels = voxels_in_slab(orientations.shape, orientations.affine, plane, settings.slab, step)
        voxels = orientations.in_mask(voxels)
        if settings.kind is GlyphKind.PEAKS:
            return voxels, step
        reach = settings.fodf.length * orientations.edge * step / 2
        voxels = voxels[plane.in_view(orientations.centres(voxels), reach)]
        voxels = voxels[orientations.has_fodf(voxels)]
        if len(voxels) <= settings.fodf.most:
            return voxels, step
        step += 1


def _volume_voxels(orientations: OrientationField, settings: GlyphSettings) -> tuple[np.ndarray, int]:
    """The voxels to draw of a whole volume, and how many lie between two of them."""
    if settings.kind is GlyphKind.PEAKS:
        mask, most = orientations.has_peak(settings.peaks.lower), settings.most_in_3d
    else:
        mask, most = orientations.has_fodf(), settings.fodf.most
    if orientations.mask is not None:
        mask &= orientations.mask != 0
    return voxels_in_mask(mask, settings.subsampling, most)


def _mesh(
    orientations: OrientationField, voxels: np.ndarray, step: int, settings: GlyphSettings, plane: Plane
) -> vtk.vtkPolyData:
    if settings.kind is GlyphKind.FODF:
        return fodf_meshes(orientations, voxels, settings.fodf, step, plane)
    return peak_lines(orientations, voxels, settings.peaks, step)


def _nodes(scene: slicer.vtkMRMLScene, kind: str) -> list[Any]:
    nodes = scene.GetNodesByClass(kind)
    nodes.UnRegister(None)
    return [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
