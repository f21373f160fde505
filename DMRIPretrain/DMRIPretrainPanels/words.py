"""Pieces of text that several panels show."""

import re
from html import escape

#: Colours that are told apart on light and dark ground, and by colour-blind readers (Okabe and Ito 2008).
_LIGHTS = {"right": "#009E73", "warning": "#E69F00", "error": "#D55E00", "busy": "#56B4E9", "none": "#999999"}


def light(state, text):
    """A line with a coloured dot before it, as rich text: ``right``, ``warning``, ``error``, ``busy`` or ``none``."""
    return f'<span style="color:{_LIGHTS[state]}">\u25cf</span>&nbsp;{_breakable(escape(text))}'


def duration(seconds):
    """Such as ``45 s`` or ``3 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _breakable(text):
    """A path may be broken behind its slashes: panels are narrow, and would grow with it."""
    return re.sub(r"\S{40,}", lambda path: re.sub(r"([/\\])", "\\1\u200b", path[0]), text)
