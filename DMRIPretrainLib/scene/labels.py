"""Names, colours and codes of labels: those of the model that answered, the tissues', or a table of the user's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..networks.model_card import read_header
from ..tasks.maps import CROSSING_COLOURS, CROSSING_LABELS, TISSUE_COLOURS, TISSUES, Colour, distinct_colours

#: SNOMED CT codes of the tissues, as in DICOM CID 7153 and Slicer's list of it.
_TISSUE_CODES = {
    "CSF": ("65216001", "Cerebrospinal Fluid"),
    "GM": ("389081007", "Gray Matter"),
    "WM": ("389080008", "White Matter"),
}


@dataclass(frozen=True)
class Label:
    """One label of a map.

    Attributes:
        value: in the image; 0 is the background.
        name: for people.
        colour: (R, G, B), 0 to 255.
    """

    value: int
    name: str
    colour: Colour

    @property
    def rgb(self) -> tuple[float, float, float]:
        """The colour from 0 to 1, as MRML has it."""
        red, green, blue = (channel / 255 for channel in self.colour)
        return red, green, blue

    @property
    def terminology(self) -> str | None:
        """Slicer's entry of a standard terminology, for a tissue; None for other labels.

        Its parts are list, category, type, modifier, list of regions, region, modifier; codes are scheme^value^meaning.
        """
        if self.name not in _TISSUE_CODES:
            return None
        code, meaning = _TISSUE_CODES[self.name]
        return (
            "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure"
            f"~SCT^{code}^{meaning}~^^~Anatomic codes - DICOM master list~^^~^^"
        )


def tissue_labels() -> list[Label]:
    """Background, CSF, grey and white matter."""
    return [Label(*entry) for entry in zip(range(len(TISSUES)), TISSUES, TISSUE_COLOURS, strict=True)]


def crossing_labels() -> list[Label]:
    """Numbers of fibre populations."""
    return [Label(*entry) for entry in zip(range(len(CROSSING_LABELS)), CROSSING_LABELS, CROSSING_COLOURS, strict=True)]


def custom_labels(values: Sequence[int], names: Mapping[int, str] | None = None) -> list[Label]:
    """A label set of the user's, the same as a model learns it.

    Args:
        values: that occur; 0, the background, is added where it is missing.
        names: name of each value, such as those of a ``dseg.tsv``; others are called ``label 17``.
    """
    names = {0: "background"} | dict(names or {})
    ordered = sorted({0, *map(int, values)})
    colours: list[Colour] = [(0, 0, 0), *distinct_colours(len(ordered) - 1)]
    return [Label(v, names.get(v, f"label {v}"), colour) for v, colour in zip(ordered, colours, strict=True)]


def reported_labels(report: Mapping[str, Any], task: str) -> list[Label] | None:
    """Labels of a task as ``report.json`` of a prediction tells them; None where it does not."""
    entries = report.get("labels", {}).get(task)
    if not entries:
        return None
    found = []
    for entry in entries:
        red, green, blue = map(int, entry["colour"])
        found.append(Label(int(entry["value"]), str(entry["name"]), (red, green, blue)))
    return found


def model_labels(path: Path, task: str = "segmentation") -> list[Label]:
    """Labels of a task as the header of a model file tells them; empty where the model does not answer it.

    Raises:
        UserError: if the file is missing or is no model.
    """
    heads = read_header(path)["architecture"].get("heads", [])
    for head in heads:
        if head["task"] == task:
            entries = zip(head["values"], head["labels"], head["colours"], strict=True)
            return [Label(int(value), str(name), (int(r), int(g), int(b))) for value, name, (r, g, b) in entries]
    return []


def labels_of(values: Sequence[int], report: Mapping[str, Any] | None = None) -> list[Label]:
    """Labels of a segmentation: those reported, else the tissues where the values are theirs, else nameless ones."""
    reported = reported_labels(report or {}, "segmentation")
    if reported is not None:
        return reported
    return tissue_labels() if max(values, default=0) < len(TISSUES) else custom_labels(values)
