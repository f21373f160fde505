"""What a user sees: the words of a panel, the content of the scene."""

import html
import re
from typing import Any


def said(label: Any) -> str:
    """Text of a label without its light and other marks."""
    return html.unescape(re.sub(r"<[^>]+>", "", label.text())).replace("\u25cf", "").replace("\xa0", " ").strip()


def require_advice(text: str, *parts: str) -> None:
    """Raise unless a text is one line for people, and says these things."""
    assert "\n" not in text, text
    assert text.endswith("."), text
    assert len(text) < 500, text
    for wrong in ("Traceback", "Error(", "UserError", "Errno"):
        assert wrong not in text, text
    for part in parts:
        assert part in text, text


def contents() -> list[str]:
    """Names of what a user sees in the scene."""
    import slicer

    kinds = ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLModelNode", "vtkMRMLTableNode")
    nodes = [node for kind in kinds for node in slicer.util.getNodesByClass(kind)]
    return sorted(node.GetName() for node in nodes if not node.GetHideFromEditors())
