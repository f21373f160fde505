"""How orientation glyphs look: everything a user can set, as values that can be kept in a scene."""

import json
import types
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, Self, TypeVar

_Kind = TypeVar("_Kind")


class GlyphKind(StrEnum):
    """What is drawn in a voxel."""

    PEAKS = "peaks"
    FODF = "fodf"


class GlyphScale(StrEnum):
    """What the size of a glyph says."""

    UNITY = "unity"
    """Nothing: all are alike."""
    AMPLITUDE = "amplitude"
    """The amplitude, relative to a high one of the volume (see ``OrientationField``)."""


class PeakColour(StrEnum):
    """What the colour of a peak says."""

    DIRECTION = "direction"
    """Left-right red, anterior-posterior green, superior-inferior blue."""
    PEAK = "peak"
    """Whether it is the strongest of its voxel, the second, the third."""
    UNCERTAINTY = "uncertainty"
    """The orientation uncertainty of its voxel, from blue (sure) to red (30 degrees or more)."""


class ShownIn3D(StrEnum):
    """What of the glyphs the 3D views show."""

    NOTHING = "nothing"
    SLICES = "slices"
    VOLUME = "volume"


@dataclass(frozen=True)
class PeakSettings:
    """Peaks as sticks.

    Attributes:
        scale: what the length says.
        length: of a stick of full length, in voxel edges (the shortest of the voxel, times the subsampling).
        lower: peaks of this amplitude or less are hidden.
        upper: peaks above this amplitude are hidden; None for no limit.
        most: peaks of a voxel to show, strongest first.
        colour: what the colour says.
        line_width: in slice views and of lines in 3D, pixels.
        tubes: whether 3D views show tubes, which are slower than lines but can be lit.
        tube_radius: in voxel edges.
        cones: whether the strongest peak of each voxel has a cone that opens by its orientation uncertainty.
    """

    scale: GlyphScale = GlyphScale.AMPLITUDE
    length: float = 1.5
    lower: float = 0.1
    upper: float | None = None
    most: int = 3
    colour: PeakColour = PeakColour.DIRECTION
    line_width: int = 2
    tubes: bool = False
    tube_radius: float = 0.08
    cones: bool = False


@dataclass(frozen=True)
class FodfSettings:
    """fODFs as shapes.

    Attributes:
        scale: what the size says.
        length: the diameter of a glyph of full size, in voxel edges (the shortest of the voxel, times the subsampling).
        lower: fODFs whose largest value is this or less are hidden.
        hide_negative: leave out lobes of negative values, which are grey otherwise.
        min_max: subtract the smallest value of each fODF, which makes its lobes sharper.
        detail: 1, 2, 3 or 4 for 42, 162, 642 or 2562 points a glyph; None chooses by their number.
        most: glyphs to show at once; where there are more, every second, third ... voxel is shown.
    """

    scale: GlyphScale = GlyphScale.UNITY
    length: float = 1.2
    lower: float = 0.1
    hide_negative: bool = True
    min_max: bool = False
    detail: int | None = None
    most: int = 2000


@dataclass(frozen=True)
class GlyphSettings:
    """All settings of one display of glyphs.

    Attributes:
        kind: peaks or fODFs.
        visible: whether anything is shown.
        opacity: 0 to 1.
        subsampling: show every voxel (1), every second (2) or every fourth (4) along each axis.
        slab: thickness of what a slice view shows, mm; 0 for one layer of voxels.
        mask_labels: labels of the mask volume where glyphs are shown, such as (2, 3) of a map of crossings; empty for
            all but 0.
        mask_segments: names of the segments where glyphs are shown, if the mask is a segmentation; empty for all.
        in_3d: what 3D views show.
        most_in_3d: voxels that 3D views show of a whole volume; where there are more, a coarser grid of them.
        views: layout names of the views to show glyphs in, such as ("Red",); empty for all.
        peaks: how peaks look.
        fodf: how fODFs look.
    """

    kind: GlyphKind = GlyphKind.PEAKS
    visible: bool = True
    opacity: float = 1.0
    subsampling: int = 1
    slab: float = 0.0
    mask_labels: tuple[int, ...] = ()
    mask_segments: tuple[str, ...] = ()
    in_3d: ShownIn3D = ShownIn3D.NOTHING
    most_in_3d: int = 20_000
    views: tuple[str, ...] = ()
    peaks: PeakSettings = field(default_factory=PeakSettings)
    fodf: FodfSettings = field(default_factory=FodfSettings)

    def to_json(self) -> str:
        """As text for a node of the scene."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From the text of a node; what is missing or unknown, as in the scene of another version, is as by default."""
        try:
            content = json.loads(text)
        except ValueError:
            content = {}
        return _read(cls, content if isinstance(content, dict) else {})


def _read(kind: type[_Kind], content: dict[str, Any]) -> _Kind:
    hints = typing.get_type_hints(kind)
    values = {}
    for item in fields(kind):  # type: ignore[arg-type]
        if item.name in content:
            try:
                values[item.name] = _convert(hints[item.name], content[item.name])
            except (TypeError, ValueError):
                continue
    return kind(**values)


def _convert(kind: Any, value: Any) -> Any:
    if is_dataclass(kind):
        return _read(typing.cast(type, kind), dict(value))
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _convert(arguments[0], value)
    if origin is tuple:
        return tuple(_convert(arguments[0], item) for item in value)
    if kind is bool and not isinstance(value, bool):
        raise TypeError(f"expected true or false, found {value!r}")
    return kind(value)
