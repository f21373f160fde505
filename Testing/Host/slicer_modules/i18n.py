"""``slicer.i18n``: texts in the user's language. The host speaks English, and remembers what was to be translated."""

from pathlib import Path

#: (context, text) of everything that was handed over for translation.
translated: list[tuple[str, str]] = []


def translate(context: str, text: str) -> str:
    """The text in the user's language."""
    if not isinstance(text, str):
        raise TypeError(f"only a text can be translated, not {text!r}")
    translated.append((context, text))
    return text


def getContext(sourceFile: str) -> str:
    """Context of the texts of a Python file: its name, or the folder's for a package."""
    path = Path(sourceFile)
    return path.parent.name if path.name == "__init__.py" else path.stem


def tr(text: str) -> str:
    """The text in the user's language; the context is that of the calling file."""
    return translate("", text)
