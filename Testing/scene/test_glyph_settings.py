"""Settings survive as text, whatever another version made of it."""

import json
from dataclasses import asdict

import pytest

from DMRIPretrainLib.scene.glyph_settings import (
    FodfSettings,
    GlyphKind,
    GlyphScale,
    GlyphSettings,
    PeakColour,
    PeakSettings,
    ShownIn3D,
)

UNUSUAL = GlyphSettings(
    kind=GlyphKind.FODF,
    visible=False,
    opacity=0.5,
    subsampling=4,
    slab=2.5,
    mask_labels=(2, 3),
    mask_segments=("WM", "lesion"),
    in_3d=ShownIn3D.VOLUME,
    most_in_3d=99,
    views=("Red", "1"),
    peaks=PeakSettings(GlyphScale.UNITY, 0.7, 0.2, 0.9, 2, PeakColour.UNCERTAINTY, 5, True, 0.2, True),
    fodf=FodfSettings(GlyphScale.UNITY, 1.2, 0.2, False, True, 3, 55),
)


def test_every_setting_survives_as_text() -> None:
    default = asdict(GlyphSettings())
    assert not [name for name, value in asdict(UNUSUAL).items() if value == default[name]]
    assert GlyphSettings.from_json(UNUSUAL.to_json()) == UNUSUAL
    assert GlyphSettings.from_json(GlyphSettings().to_json()) == GlyphSettings()


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", "null", '{"peaks": 3, "opacity": "much"}', '{"kind": "tensor"}']
)
def test_what_cannot_be_read_is_as_by_default(text: str) -> None:
    assert GlyphSettings.from_json(text) == GlyphSettings()


def test_what_another_version_adds_or_lacks_does_no_harm() -> None:
    content = json.loads(UNUSUAL.to_json()) | {"sparkle": True}
    del content["slab"]
    del content["peaks"]["cones"]
    found = GlyphSettings.from_json(json.dumps(content))
    assert (found.slab, found.peaks.cones, found.peaks.line_width) == (0.0, False, 5)
    assert found.fodf == UNUSUAL.fodf
