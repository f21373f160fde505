"""What is known about one voxel, as numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import slicer

from .geometry import same_grid, world_affine
from .glyph_node import CROSSING_PROBABILITIES, CROSSINGS, INSPECTED_ROLES, LABEL_PROBABILITIES, LABELS, field_of
from .orientation_field import OrientationField
from .vector_volumes import values_of

#: Names of the tissue labels, where a volume has no colour table that names them, and of the numbers of fibres.
TISSUE_NAMES = {0: "background", 1: "CSF", 2: "GM", 3: "WM"}
FIBRE_NAMES = ("none", "one", "two", "three")


@dataclass(frozen=True)
class Peak:
    """One peak.

    Attributes:
        direction: unit vector in the world (RAS), z not below zero.
        amplitude: of the fODF.
    """

    direction: tuple[float, float, float]
    amplitude: float


@dataclass(frozen=True)
class VoxelReport:
    """What is known about one voxel.

    Attributes:
        indices: of the voxel.
        centre: of the voxel, RAS mm.
        label: name of its label, None where labels are not known.
        label_probabilities: names and probabilities of all labels, in their order.
        fibres: number of fibre populations, None where it is not known.
        fibre_probabilities: of 0, 1, 2, 3 fibre populations.
        peaks: strongest first.
        angles: between the peaks i and j, counted from 1, in degrees: (i, j, angle).
        uncertainty: of the strongest peak, in degrees, None where it is not known.
    """

    indices: tuple[int, int, int]
    centre: tuple[float, float, float]
    label: str | None = None
    label_probabilities: tuple[tuple[str, float], ...] = ()
    fibres: int | None = None
    fibre_probabilities: tuple[float, ...] = ()
    peaks: tuple[Peak, ...] = ()
    angles: tuple[tuple[int, int, float], ...] = ()
    uncertainty: float | None = None

    def rows(self) -> list[tuple[str, str]]:
        """Heading and text of each line of a table for people."""
        rows = [
            ("Voxel", ", ".join(str(index) for index in self.indices)),
            ("RAS", ", ".join(f"{value:.1f}" for value in self.centre) + " mm"),
        ]
        if self.label is not None:
            rows.append(("Tissue", self.label))
        if self.label_probabilities:
            rows.append(("", _percentages(self.label_probabilities)))
        if self.fibres is not None:
            rows.append(("Fibres", _fibre_name(self.fibres)))
        if self.fibre_probabilities:
            names = [_fibre_name(number) for number in range(len(self.fibre_probabilities))]
            rows.append(("", _percentages(list(zip(names, self.fibre_probabilities, strict=True)))))
        for number, peak in enumerate(self.peaks, start=1):
            direction = ", ".join(f"{round(value, 2) + 0.0:+.2f}" for value in peak.direction)
            rows.append((f"Peak {number}", f"{peak.amplitude:.2f}   ({direction})"))
        rows += [(f"Angle {i}, {j}", f"{angle:.0f}°") for i, j, angle in self.angles]
        if self.uncertainty is not None and self.peaks:
            rows.append(("Uncertainty", f"{self.uncertainty:.1f}° of peak 1"))
        return rows


@dataclass(frozen=True)
class InspectedMaps:
    """All that a report is made of; arrays are on one grid and are read in one voxel alone.

    Attributes:
        orientations: peaks, fODFs, uncertainty and the grid.
        labels: (X, Y, Z) label of each voxel.
        label_probabilities: (X, Y, Z, C) probability of each label.
        label_names: name of each label.
        crossings: (X, Y, Z) number of fibre populations.
        crossing_probabilities: (X, Y, Z, 4) probability of each number.
    """

    orientations: OrientationField
    labels: np.ndarray | None = None
    label_probabilities: np.ndarray | None = None
    label_names: Mapping[int, str] = field(default_factory=lambda: TISSUE_NAMES)
    crossings: np.ndarray | None = None
    crossing_probabilities: np.ndarray | None = None

    def voxel_at(self, position: Sequence[float]) -> tuple[int, int, int] | None:
        """The voxel that holds a position (RAS mm); None outside the volume."""
        affine = self.orientations.affine
        place = np.linalg.solve(affine[:3, :3], np.asarray(position, dtype=float) - affine[:3, 3])
        i, j, k = (int(value) for value in np.floor(place + 0.5))
        inside = all(0 <= index < size for index, size in zip((i, j, k), self.orientations.shape, strict=True))
        return (i, j, k) if inside else None

    def report(self, voxel: tuple[int, int, int]) -> VoxelReport:
        """What is known about a voxel."""
        index = np.array([voxel])
        centre = self.orientations.centres(index)[0]
        peaks = _peaks(self.orientations.world_peaks(index)[0])
        label = None if self.labels is None else int(self.labels[voxel])
        fibres = None if self.crossings is None else int(self.crossings[voxel])
        uncertainty = self.orientations.uncertainty
        return VoxelReport(
            voxel,
            (float(centre[0]), float(centre[1]), float(centre[2])),
            None if label is None else self._name(label),
            tuple((self._name(value), p) for value, p in enumerate(_row(self.label_probabilities, voxel))),
            fibres,
            _row(self.crossing_probabilities, voxel),
            peaks,
            _angles(peaks),
            None if uncertainty is None else float(uncertainty[voxel]),
        )

    def _name(self, label: int) -> str:
        return self.label_names.get(label, f"label {label}")


def inspected_maps(node: slicer.vtkMRMLScriptedModuleNode) -> InspectedMaps:
    """The maps that a node of ``glyph_node`` refers to; those on another grid are left out.

    Raises:
        UserError: as ``field_of``.
    """
    orientations = field_of(node)
    arrays: dict[str, np.ndarray] = {}
    for role in INSPECTED_ROLES:
        volume = node.GetNodeReference(role)
        if volume is not None:
            values = values_of(volume)
            if same_grid(orientations.affine, orientations.shape, world_affine(volume), values.shape):
                arrays[role] = values
    return InspectedMaps(
        orientations,
        arrays.get(LABELS),
        arrays.get(LABEL_PROBABILITIES),
        _names(node.GetNodeReference(LABELS)),
        arrays.get(CROSSINGS),
        arrays.get(CROSSING_PROBABILITIES),
    )


def _names(labels: slicer.vtkMRMLVolumeNode | None) -> Mapping[int, str]:
    display = labels.GetDisplayNode() if labels is not None else None
    table = display.GetColorNode() if display is not None else None
    if table is None or table.GetType() != slicer.vtkMRMLColorNode.User:
        return TISSUE_NAMES
    return {value: table.GetColorName(value) for value in range(table.GetNumberOfColors())}


def _row(values: np.ndarray | None, voxel: tuple[int, int, int]) -> tuple[float, ...]:
    return () if values is None else tuple(float(value) for value in values[voxel])


def _peaks(vectors: np.ndarray) -> tuple[Peak, ...]:
    amplitudes = np.linalg.norm(vectors.astype(float), axis=1)
    peaks = []
    for vector, amplitude in zip(vectors, amplitudes, strict=True):
        if amplitude > 0:
            x, y, z = (vector / amplitude if vector[2] >= 0 else -vector / amplitude).tolist()
            peaks.append(Peak((x, y, z), float(amplitude)))
    return tuple(peaks)


def _angles(peaks: Sequence[Peak]) -> tuple[tuple[int, int, float], ...]:
    found = []
    for (i, first), (j, second) in combinations(enumerate(peaks, start=1), 2):
        cosine = min(abs(float(np.dot(first.direction, second.direction))), 1.0)
        found.append((i, j, float(np.degrees(np.arccos(cosine)))))
    return tuple(found)


def _fibre_name(number: int) -> str:
    return FIBRE_NAMES[number] if number < len(FIBRE_NAMES) else str(number)


def _percentages(items: Sequence[tuple[str, float]]) -> str:
    """The three largest probabilities, those that round to one per cent or more."""
    largest = sorted(items, key=lambda item: -item[1])[:3]
    return "   ".join(f"{name} {100 * p:.0f} %" for name, p in largest if p >= 0.005)
