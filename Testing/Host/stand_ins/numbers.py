"""Numbers with a slider: ctkDoubleSlider, ctkDoubleSpinBox, ctkSliderWidget and their qMRML forms."""

import enum

from PySide6 import QtCore, QtWidgets

from Testing.Host.stand_ins.base import forwarded, stored

_STEPS = 2**30


class ctkDoubleSlider(QtWidgets.QWidget):
    """A slider over real numbers."""

    valueChanged = QtCore.Signal(float)
    sliderMoved = QtCore.Signal(float)
    sliderPressed = QtCore.Signal()
    sliderReleased = QtCore.Signal()
    rangeChanged = QtCore.Signal(float, float)

    singleStep = stored(float, 1.0, after="_rescale")
    pageStep = stored(float, 10.0)
    tickInterval = stored(float, 0.0)
    tickPosition = stored(int, 0)
    tracking = stored(bool, True)
    invertedAppearance = stored(bool, False)
    invertedControls = stored(bool, False)
    handleToolTip = stored(str, "")

    def __init__(
        self,
        orientation: QtCore.Qt.Orientation | QtWidgets.QWidget | None = None,
        parent: QtWidgets.QWidget | None = None,
    ):
        if isinstance(orientation, QtWidgets.QWidget):
            orientation, parent = None, orientation
        super().__init__(parent)
        self._minimum, self._maximum, self._value = 0.0, 99.0, 0.0
        self._slider = QtWidgets.QSlider(orientation or QtCore.Qt.Orientation.Horizontal, self)
        self._slider.valueChanged.connect(self._moved)
        self._slider.sliderPressed.connect(self.sliderPressed)
        self._slider.sliderReleased.connect(self.sliderReleased)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self._rescale()

    def _get_value(self) -> float:
        return self._value

    def setValue(self, value: float) -> None:
        """Move to a value, cut to the range."""
        value = min(max(float(value), self._minimum), self._maximum)
        if value == self._value:
            return
        self._value = value
        self._show()
        self.valueChanged.emit(value)

    value = QtCore.Property(float, _get_value, setValue)
    sliderPosition = QtCore.Property(float, _get_value, setValue)

    def _set_minimum(self, minimum: float) -> None:
        self._set_range(minimum, max(self._maximum, minimum))

    def _set_maximum(self, maximum: float) -> None:
        self._set_range(min(self._minimum, maximum), maximum)

    def _set_range(self, minimum: float, maximum: float) -> None:
        if (minimum, maximum) == (self._minimum, self._maximum):
            return
        self._minimum, self._maximum = float(minimum), float(maximum)
        self._rescale()
        self.rangeChanged.emit(self._minimum, self._maximum)
        self.setValue(self._value)

    minimum = QtCore.Property(float, lambda self: self._minimum, _set_minimum)
    maximum = QtCore.Property(float, lambda self: self._maximum, _set_maximum)

    def setOrientation(self, orientation: QtCore.Qt.Orientation) -> None:
        """Horizontal or vertical."""
        self._slider.setOrientation(orientation)

    orientation = QtCore.Property(int, lambda self: self._slider.orientation().value, setOrientation)

    def _step(self) -> float:
        """Length of a slider position; QSlider counts in 32 bits."""
        span = self._maximum - self._minimum
        return max(float(self.singleStep), span / _STEPS, 1e-300) if span < float("inf") else 1.0

    def _rescale(self) -> None:
        span = self._maximum - self._minimum
        count = round(span / self._step()) if span < float("inf") else _STEPS
        with QtCore.QSignalBlocker(self._slider):
            self._slider.setRange(0, max(count, 0))
        self._show()

    def _show(self) -> None:
        offset = self._value - self._minimum
        with QtCore.QSignalBlocker(self._slider):
            self._slider.setValue(round(offset / self._step()) if offset < float("inf") else 0)

    def _moved(self, position: int) -> None:
        value = min(self._minimum + position * self._step(), self._maximum)
        if value != self._value:
            self._value = value
            self.valueChanged.emit(value)
            self.sliderMoved.emit(value)


class ctkDoubleSpinBox(QtWidgets.QWidget):
    """A spin box for real numbers."""

    class SetMode(enum.IntEnum):
        """When setting a value changes it."""

        SetAlways = 0
        SetIfDifferent = 1

    class DecimalsOption(enum.IntFlag):
        """How the number of decimals may change."""

        FixedDecimals = 0x000
        DecimalsByShortcuts = 0x001
        DecimalsByKey = 0x002
        InsertDecimals = 0x004
        DecimalsByValue = 0x010
        DecimalsAsMin = 0x020
        ReplaceDecimals = 0x040

    valueChanged = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)
    editingFinished = QtCore.Signal()

    singleStep = forwarded(float, "_box", "singleStep")
    minimum = forwarded(float, "_box", "minimum")
    maximum = forwarded(float, "_box", "maximum")
    prefix = forwarded(str, "_box", "prefix")
    suffix = forwarded(str, "_box", "suffix")
    decimalsOption = stored(int, 0x017)
    setMode = stored(int, 1)
    sizeHintPolicy = stored(int, 0)
    invertedControls = stored(bool, False)
    frame = stored(bool, True)
    alignment = stored(int, 1)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._box.valueChanged.connect(self.valueChanged)
        self._box.editingFinished.connect(self.editingFinished)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.setFocusProxy(self._box)

    def setValue(self, value: float) -> None:
        """Set a value, cut to the range."""
        self._box.setValue(value)

    def setValueIfDifferent(self, value: float) -> None:
        """The same as ``setValue``."""
        self._box.setValue(value)

    value = QtCore.Property(float, lambda self: self._box.value(), setValue)

    def setDecimals(self, decimals: int) -> None:
        """Digits after the point."""
        if decimals != self._box.decimals():
            self._box.setDecimals(decimals)
            self.decimalsChanged.emit(decimals)

    decimals = QtCore.Property(int, lambda self: self._box.decimals(), setDecimals)

    def setReadOnly(self, read_only: bool) -> None:
        """Whether the user may change it."""
        self._box.setReadOnly(read_only)

    readOnly = QtCore.Property(bool, lambda self: self._box.isReadOnly(), setReadOnly)
    cleanText = QtCore.Property(str, lambda self: self._box.cleanText())

    def stepUp(self) -> None:
        """One single step more."""
        self._box.stepUp()

    def stepDown(self) -> None:
        """One single step less."""
        self._box.stepDown()


class qMRMLSpinBox(ctkDoubleSpinBox):
    """A spin box that knows the scene's units."""

    quantity = stored(str, "")
    unitAwareProperties = stored(int, 0)

    def setMRMLScene(self, scene: object) -> None:
        """Tell it the scene."""
        self._scene = scene

    def mrmlScene(self) -> object:
        """The scene."""
        return getattr(self, "_scene", None)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a spin box beside it."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)

    pageStep = stored(float, 10.0)
    prefix = forwarded(str, "_box", "prefix")
    suffix = forwarded(str, "_box", "suffix")
    tickInterval = stored(float, 0.0)
    tickPosition = stored(int, 0)
    tracking = stored(bool, True)
    invertedAppearance = stored(bool, False)
    invertedControls = stored(bool, False)
    spinBoxAlignment = stored(int, 2)
    synchronizeSiblings = stored(int, 0)
    popupSlider = stored(bool, False)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._value = 0.0
        self._held = False
        self._slider = ctkDoubleSlider(self)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._box.setRange(0, 99)
        self._box.setMinimumWidth(70)
        self._slider.valueChanged.connect(self._slid)
        self._slider.sliderPressed.connect(lambda: setattr(self, "_held", True))
        self._slider.sliderReleased.connect(self._released)
        self._box.valueChanged.connect(self.setValue)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)

    def setValue(self, value: float) -> None:
        """Set a value, cut to the range and rounded to the decimals."""
        value = round(min(max(float(value), self.minimum), self.maximum), self.decimals)
        if value == self._value:
            return
        self._value = value
        with QtCore.QSignalBlocker(self._slider), QtCore.QSignalBlocker(self._box):
            self._slider.setValue(value)
            self._box.setValue(value)
        self.valueChanged.emit(value)

    value = QtCore.Property(float, lambda self: self._value, setValue)

    def _slid(self, value: float) -> None:
        if self._held and not self.tracking:
            self.valueIsChanging.emit(value)
            return
        if self._held:
            self.valueIsChanging.emit(value)
        self.setValue(value)

    def _released(self) -> None:
        self._held = False
        self.setValue(self._slider.value)

    def _set_minimum(self, minimum: float) -> None:
        with QtCore.QSignalBlocker(self._slider), QtCore.QSignalBlocker(self._box):
            self._slider.minimum = minimum
            self._box.setMinimum(minimum)
        self.setValue(self._value)

    def _set_maximum(self, maximum: float) -> None:
        with QtCore.QSignalBlocker(self._slider), QtCore.QSignalBlocker(self._box):
            self._slider.maximum = maximum
            self._box.setMaximum(maximum)
        self.setValue(self._value)

    minimum = QtCore.Property(float, lambda self: self._slider.minimum, _set_minimum)
    maximum = QtCore.Property(float, lambda self: self._slider.maximum, _set_maximum)

    def _set_single_step(self, step: float) -> None:
        self._slider.singleStep = step
        self._box.setSingleStep(step)

    singleStep = QtCore.Property(float, lambda self: self._slider.singleStep, _set_single_step)

    def setDecimals(self, decimals: int) -> None:
        """Digits after the point."""
        if decimals != self._box.decimals():
            self._box.setDecimals(decimals)
            self.decimalsChanged.emit(decimals)

    decimals = QtCore.Property(int, lambda self: self._box.decimals(), setDecimals)

    def setSpinBoxVisible(self, visible: bool) -> None:
        """Show or hide the number beside the slider."""
        self._box.setVisible(visible)

    spinBoxVisible = QtCore.Property(bool, lambda self: not self._box.isHidden(), setSpinBoxVisible)

    def reset(self) -> None:
        """Back to the minimum, or to zero where the range holds it."""
        self.setValue(0.0)


class qMRMLSliderWidget(ctkSliderWidget):
    """A slider that knows the scene's units."""

    quantity = stored(str, "")
    unitAwareProperties = stored(int, 0)

    def setOrientation(self, orientation: QtCore.Qt.Orientation) -> None:
        """Horizontal or vertical."""
        self._slider.setOrientation(orientation)

    orientation = QtCore.Property(int, lambda self: self._slider.orientation, setOrientation)

    def setMRMLScene(self, scene: object) -> None:
        """Tell it the scene."""
        self._scene = scene

    def mrmlScene(self) -> object:
        """The scene."""
        return getattr(self, "_scene", None)

    def setQuantity(self, quantity: str) -> None:
        """Which unit of the scene it shows."""
        self.quantity = quantity
