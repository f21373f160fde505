"""Loads ``.ui`` files of Qt Designer with Slicer's widgets in them.

What Qt's loader would pass over in silence is refused here: classes that do not exist and properties a class does not
have. Connections are made by hand, because Qt's loader does not know types such as ``vtkMRMLScene*``.
"""

import functools
import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from Testing.Host import widget_classes
from Testing.Host.pythonqt import names, signals


class UiFileError(ValueError):
    """A ``.ui`` file that Slicer could not show as it stands."""


def load(path: str | Path) -> QtWidgets.QWidget:
    """The widget that a ``.ui`` file describes.

    Raises:
        RuntimeError: if there is no such file, as ``slicer.util.loadUI`` does.
        UiFileError: if it names a class, property, widget, signal or slot that does not exist.
    """
    if not Path(path).is_file():
        raise RuntimeError(f"Could not load UI file: file not found {path}\n\n")
    tree = ET.parse(path)
    root = tree.getroot()
    try:
        for element in root.iter("widget"):
            _check(element)
        connections = _take_connections(root)
        _drop(root, "customwidgets", "resources")
        widget = _build(tree)
        for connection in connections:
            _connect(widget, connection)
    except UiFileError as error:
        raise UiFileError(f"{path}: {error}") from None
    return widget


def _check(element: ET.Element) -> None:
    name, kind = element.get("name", ""), _class(element.get("class", ""))
    for item in element.findall("property"):
        property_name = item.get("name", "")
        if item.get("stdset") == "0":
            continue
        offered = names.offered(kind)
        if property_name not in _properties(kind) or (offered is not None and property_name not in offered):
            raise UiFileError(f'widget "{name}" of class {kind.__name__} has no property "{property_name}"')
        if widget_classes.is_stand_in(kind):
            _write_enums_as_numbers(item)


@functools.cache
def _properties(kind: type) -> frozenset[str]:
    """Names of a class's properties; read once, since PySide may lose a static description after the first panel."""
    try:
        description = kind.staticMetaObject
        count = description.propertyCount()
    except RuntimeError:
        description = kind().metaObject()
        count = description.propertyCount()
    return frozenset(description.property(index).name() for index in range(count))


def _class(name: str) -> type:
    kind = widget_classes.find(name)
    if kind is None:
        raise UiFileError(f"widgets of class {name} are not known to the host; is it spelt right?")
    return kind


def _write_enums_as_numbers(item: ET.Element) -> None:
    """Stand-ins keep enumerations as numbers, which Qt's loader cannot look up."""
    for tag in ("enum", "set"):
        found = item.find(tag)
        if found is not None:
            number = 0
            for value in (found.text or "").split("|"):
                number |= _enum_value(value.strip())
            found.tag, found.text = "number", str(number)


def _enum_value(text: str) -> int:
    scope, _, value = text.rpartition("::")
    owner: Any = QtCore.Qt if scope.startswith("Qt") else _class(scope.split("::")[0])
    found = getattr(owner, value, None)
    if found is None:
        raise UiFileError(f"there is no {text}")
    return int(getattr(found, "value", found))


def _take_connections(root: ET.Element) -> list[dict[str, str]]:
    found = root.find("connections")
    if found is None:
        return []
    taken = [
        {part: connection.findtext(part, "") for part in ("sender", "signal", "receiver", "slot")}
        for connection in found
    ]
    root.remove(found)
    return taken


def _drop(root: ET.Element, *tags: str) -> None:
    for tag in tags:
        for element in root.findall(tag):
            root.remove(element)


@functools.cache
def _loader() -> QtUiTools.QUiLoader:
    """One for all files: making the stand-ins known to it takes longer than most files."""
    loader = QtUiTools.QUiLoader()
    for kind in widget_classes.stand_ins().values():
        loader.registerCustomWidget(kind)
    return loader


def _build(tree: ET.ElementTree) -> QtWidgets.QWidget:
    loader = _loader()
    text = io.BytesIO()
    tree.write(text, encoding="utf-8", xml_declaration=True)
    buffer = QtCore.QBuffer()
    buffer.setData(text.getvalue())
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    widget = loader.load(buffer)
    if widget is None:
        raise UiFileError(loader.errorString())
    return widget


def _connect(root: QtWidgets.QWidget, connection: dict[str, str]) -> None:
    sender, receiver = (_named(root, connection[part]) for part in ("sender", "receiver"))
    slot = signals.split(connection["slot"])[0]
    if not callable(getattr(receiver, slot, None)):
        raise UiFileError(
            f'{receiver.metaObject().className()} "{receiver.objectName()}" has no slot {connection["slot"]}'
        )
    try:
        signals.connect(sender, connection["signal"], receiver, connection["slot"])
    except (AttributeError, ValueError) as error:
        raise UiFileError(str(error)) from None


def _named(root: QtWidgets.QWidget, name: str) -> Any:
    found = root if root.objectName() == name else root.findChild(QtCore.QObject, name)
    if found is None:
        raise UiFileError(f'a connection names "{name}", which is not in the file')
    return found
