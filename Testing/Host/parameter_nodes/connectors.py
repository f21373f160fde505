"""Which widgets can show which types of parameters, and how: the table "Available connectors" of the documentation."""

import enum
import types
import typing
from collections.abc import Callable
from typing import Any

from PySide6 import QtWidgets

from Testing.Host.parameter_nodes.annotations import Decimals, SingleStep, findFirstAnnotation, splitAnnotations
from Testing.Host.parameter_nodes.ranges import FloatRange
from Testing.Host.parameter_nodes.serializers import _PATHS, is_node_type
from Testing.Host.parameter_nodes.validators import Choice, Maximum, Minimum, RangeBounds, WithinRange
from Testing.Host.pythonqt.attributes import pythonqt
from Testing.Host.stand_ins.node_combo_box import qMRMLNodeComboBox
from Testing.Host.stand_ins.numbers import ctkDoubleSlider, ctkDoubleSpinBox, ctkSliderWidget
from Testing.Host.stand_ins.paths import ctkDirectoryButton, ctkPathLineEdit
from Testing.Host.stand_ins.ranges import ctkDoubleRangeSlider, ctkRangeWidget

_INT_LIMITS = (-(2**31), 2**31 - 1)
_FLOAT_LIMITS = (float("-inf"), float("inf"))


class Connector:
    """A widget as a place to read a value from and write it to."""

    def __init__(self, signal: Any, read: Callable[[], Any], write: Callable[[Any], None]):
        self.read, self.write, self._signal = read, write, signal
        self._relay: Callable[..., None] | None = None

    def connect(self, changed: Callable[[], None]) -> None:
        """Call ``changed()`` when the user changes the widget."""
        if self._signal is not None:
            self._relay = lambda *_: changed()
            self._signal.connect(self._relay)

    def disconnect(self) -> None:
        """No longer."""
        if self._relay is not None:
            self._signal.disconnect(self._relay)
            self._relay = None


def connector(widget: Any, annotated: Any) -> Connector:
    """Connector of a widget and a type; raises RuntimeError where Slicer has none."""
    kind, annotations = splitAnnotations(annotated)
    if typing.get_origin(kind) is types.UnionType:
        raise RuntimeError(f"{kind} cannot be connected in Slicer: use the type alone, or typing.Union")
    for fits, make in _CONNECTORS:
        if fits(widget, kind, annotations):
            return make(widget, kind, annotations)
    raise RuntimeError(f"a {widget.metaObject().className()} cannot show a parameter of type {kind}")


def _property(
    widget: Any, name: str, signal: str, convert: Callable[[Any], Any], back: Callable[[Any], Any]
) -> Connector:
    view = pythonqt(widget)
    return Connector(
        getattr(widget, signal), lambda: convert(getattr(view, name)), lambda value: setattr(view, name, back(value))
    )


def _boolean(widget: Any, _kind: Any, _annotations: list[Any]) -> Connector:
    widget.setCheckable(True)
    return _property(widget, "checked", "toggled", bool, bool)


def _number(widget: Any, kind: Any, annotations: list[Any]) -> Connector:
    low, high = _limits(annotations)
    bounded = isinstance(widget, (QtWidgets.QSlider, ctkSliderWidget))
    if bounded and (low is None or high is None):
        raise RuntimeError("a slider needs a minimum and a maximum: WithinRange, or Minimum and Maximum")
    view = pythonqt(widget)
    open_low, open_high = _INT_LIMITS if isinstance(widget, QtWidgets.QSpinBox) else _FLOAT_LIMITS
    view.minimum = open_low if low is None else low
    view.maximum = open_high if high is None else high
    _set_steps(view, widget, annotations)
    return _property(widget, "value", "valueChanged", kind, kind)


def _range(widget: Any, _kind: Any, annotations: list[Any]) -> Connector:
    bounds = findFirstAnnotation(annotations, (RangeBounds, WithinRange))
    if bounds is not None:
        widget.setRange(bounds.minimum, bounds.maximum)
    _set_steps(widget, widget, annotations)
    return Connector(
        widget.valuesChanged,
        lambda: FloatRange(widget.minimumValue, widget.maximumValue),
        lambda value: widget.setValues(value.minimum, value.maximum),
    )


def _limits(annotations: list[Any]) -> tuple[Any, Any]:
    within = findFirstAnnotation(annotations, WithinRange)
    if within is not None:
        return within.minimum, within.maximum
    low, high = findFirstAnnotation(annotations, Minimum), findFirstAnnotation(annotations, Maximum)
    return getattr(low, "minimum", None), getattr(high, "maximum", None)


def _set_steps(view: Any, widget: Any, annotations: list[Any]) -> None:
    decimals, step = findFirstAnnotation(annotations, Decimals), findFirstAnnotation(annotations, SingleStep)
    if decimals is not None and widget.metaObject().indexOfProperty("decimals") >= 0:
        view.decimals = decimals.value
    if step is not None:
        view.singleStep = step.value


def _choice(widget: Any, _kind: Any, annotations: list[Any]) -> Connector:
    choices = findFirstAnnotation(annotations, Choice).choices
    return _combo_box(widget, choices, [str(choice) for choice in choices])


def _enumeration(widget: Any, kind: Any, _annotations: list[Any]) -> Connector:
    members = list(kind)
    return _combo_box(widget, members, [each.label() if hasattr(each, "label") else each.name for each in members])


def _combo_box(widget: QtWidgets.QComboBox, values: list[Any], texts: list[str]) -> Connector:
    widget.clear()
    widget.addItems(texts)
    return Connector(
        widget.currentIndexChanged,
        lambda: values[widget.currentIndex()] if widget.currentIndex() >= 0 else None,
        lambda value: widget.setCurrentIndex(values.index(value)),
    )


def _line(widget: Any, _kind: Any, _annotations: list[Any]) -> Connector:
    return _property(widget, "text", "textChanged", str, str)


def _label(widget: Any, _kind: Any, _annotations: list[Any]) -> Connector:
    return Connector(None, widget.text, widget.setText)


def _text(widget: Any, _kind: Any, _annotations: list[Any]) -> Connector:
    return Connector(widget.textChanged, widget.toPlainText, widget.setPlainText)


def _path(widget: Any, kind: Any, _annotations: list[Any]) -> Connector:
    return _property(widget, "currentPath", "currentPathChanged", kind, str)


def _directory(widget: Any, kind: Any, _annotations: list[Any]) -> Connector:
    return _property(widget, "directory", "directoryChanged", kind, str)


def _node(widget: Any, _kind: Any, _annotations: list[Any]) -> Connector:
    return Connector(widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)


def _row(widgets: tuple[type, ...], takes: Callable[[Any, list[Any]], bool]) -> Callable[[Any, Any, list[Any]], bool]:
    return lambda widget, kind, annotations: isinstance(widget, widgets) and takes(kind, annotations)


def _has_choice(kind: Any, annotations: list[Any]) -> bool:
    return kind in (int, float, str, bool) and findFirstAnnotation(annotations, Choice) is not None


_CONNECTORS: list[tuple[Callable[[Any, Any, list[Any]], bool], Callable[[Any, Any, list[Any]], Connector]]] = [
    (_row((QtWidgets.QCheckBox, QtWidgets.QPushButton), lambda kind, _: kind is bool), _boolean),
    (_row((QtWidgets.QSlider, QtWidgets.QSpinBox), lambda kind, _: kind is int), _number),
    (
        _row(
            (QtWidgets.QDoubleSpinBox, ctkSliderWidget, ctkDoubleSlider, ctkDoubleSpinBox),
            lambda kind, _: kind in (float, int),
        ),
        _number,
    ),
    (_row((ctkRangeWidget, ctkDoubleRangeSlider), lambda kind, _: kind is FloatRange), _range),
    (_row((QtWidgets.QComboBox,), _has_choice), _choice),
    (
        _row((QtWidgets.QComboBox,), lambda kind, _: isinstance(kind, type) and issubclass(kind, enum.Enum)),
        _enumeration,
    ),
    (_row((QtWidgets.QLineEdit,), lambda kind, _: kind is str), _line),
    (_row((QtWidgets.QLabel,), lambda kind, _: kind is str), _label),
    (_row((QtWidgets.QTextEdit,), lambda kind, _: kind is str), _text),
    (_row((ctkPathLineEdit,), lambda kind, _: kind in _PATHS), _path),
    (_row((ctkDirectoryButton,), lambda kind, _: kind in _PATHS), _directory),
    (_row((qMRMLNodeComboBox,), lambda kind, _: is_node_type(kind)), _node),
]
