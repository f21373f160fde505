"""Two numbers on one slider: ctkDoubleRangeSlider and ctkRangeWidget."""

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host.stand_ins.base import forwarded, stored


class ctkDoubleRangeSlider(QtWidgets.QWidget):
    """A slider with two handles, painted as a bar between them."""

    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)
    valuesChanged = QtCore.Signal(float, float)
    rangeChanged = QtCore.Signal(float, float)
    sliderPressed = QtCore.Signal()
    sliderReleased = QtCore.Signal()

    singleStep = stored(float, 1.0)
    tickInterval = stored(float, 0.0)
    tickPosition = stored(int, 0)
    tracking = stored(bool, True)
    symmetricMoves = stored(bool, False)
    orientation = stored(int, 1)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._minimum, self._maximum = 0.0, 99.0
        self._low, self._high = 0.0, 99.0
        self._moving = ""
        self.setMinimumHeight(20)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Ends of the slider; the values are cut to them."""
        if (minimum, maximum) == (self._minimum, self._maximum):
            return
        self._minimum, self._maximum = float(minimum), float(max(minimum, maximum))
        self.rangeChanged.emit(self._minimum, self._maximum)
        self.setValues(self._low, self._high)
        self.update()

    minimum = QtCore.Property(
        float, lambda self: self._minimum, lambda self, value: self.setRange(value, max(value, self._maximum))
    )
    maximum = QtCore.Property(
        float, lambda self: self._maximum, lambda self, value: self.setRange(min(value, self._minimum), value)
    )

    def setValues(self, low: float, high: float) -> None:
        """Both values at once, in either order."""
        low, high = sorted(min(max(float(value), self._minimum), self._maximum) for value in (low, high))
        before = (self._low, self._high)
        self._low, self._high = low, high
        if low != before[0]:
            self.minimumValueChanged.emit(low)
        if high != before[1]:
            self.maximumValueChanged.emit(high)
        if (low, high) != before:
            self.valuesChanged.emit(low, high)
            self.update()

    def setMinimumValue(self, value: float) -> None:
        """The lower value, at most the upper one."""
        self.setValues(min(value, self._high), self._high)

    def setMaximumValue(self, value: float) -> None:
        """The upper value, at least the lower one."""
        self.setValues(self._low, max(value, self._low))

    minimumValue = QtCore.Property(float, lambda self: self._low, setMinimumValue)
    maximumValue = QtCore.Property(float, lambda self: self._high, setMaximumValue)
    minimumPosition = QtCore.Property(float, lambda self: self._low, setMinimumValue)
    maximumPosition = QtCore.Property(float, lambda self: self._high, setMaximumValue)

    def _x(self, value: float) -> float:
        span = max(self._maximum - self._minimum, 1e-300)
        return 6 + (self.width() - 12) * (value - self._minimum) / span

    def _value_at(self, x: float) -> float:
        fraction = (x - 6) / max(self.width() - 12, 1)
        value = self._minimum + fraction * (self._maximum - self._minimum)
        return round(value / self.singleStep) * self.singleStep if self.singleStep else value

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        x = event.position().x()
        self._moving = "low" if abs(x - self._x(self._low)) <= abs(x - self._x(self._high)) else "high"
        self.sliderPressed.emit()

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        value = self._value_at(event.position().x())
        if self._moving == "low":
            self.setMinimumValue(value)
        elif self._moving == "high":
            self.setMaximumValue(value)

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        self._moving = ""
        self.sliderReleased.emit()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        colours = self.palette()
        painter.fillRect(QtCore.QRectF(6, middle - 2, self.width() - 12, 4), colours.mid())
        left, right = self._x(self._low), self._x(self._high)
        painter.fillRect(QtCore.QRectF(left, middle - 2, right - left, 4), colours.highlight())
        painter.setPen(colours.color(QtGui.QPalette.ColorRole.Dark))
        painter.setBrush(colours.button())
        for x in (left, right):
            painter.drawRoundedRect(QtCore.QRectF(x - 5, middle - 8, 10, 16), 3, 3)


class ctkRangeWidget(QtWidgets.QWidget):
    """A range slider between two spin boxes."""

    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)
    minimumValueIsChanging = QtCore.Signal(float)
    maximumValueIsChanging = QtCore.Signal(float)
    valuesChanged = QtCore.Signal(float, float)
    rangeChanged = QtCore.Signal(float, float)

    minimum = QtCore.Property(
        float, lambda self: self._slider.minimum, lambda self, value: self.setRange(value, self._slider.maximum)
    )
    maximum = QtCore.Property(
        float, lambda self: self._slider.maximum, lambda self, value: self.setRange(self._slider.minimum, value)
    )
    tickInterval = stored(float, 0.0)
    tracking = stored(bool, True)
    symmetricMoves = stored(bool, False)
    spinBoxAlignment = stored(int, 4)
    spinBoxTextAlignment = stored(int, 1)
    autoSpinBoxWidth = stored(bool, True)
    prefix = forwarded(str, "_low_box", "prefix")
    suffix = forwarded(str, "_low_box", "suffix")

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._slider = ctkDoubleRangeSlider(self)
        self._low_box, self._high_box = QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self._low_box, self._slider, self._high_box):
            layout.addWidget(part)
        for box in (self._low_box, self._high_box):
            box.setRange(0, 99)
        self._high_box.setValue(99)
        self._low_box.valueChanged.connect(self.setMinimumValue)
        self._high_box.valueChanged.connect(self.setMaximumValue)
        self._slider.minimumValueChanged.connect(self.minimumValueChanged)
        self._slider.maximumValueChanged.connect(self.maximumValueChanged)
        self._slider.valuesChanged.connect(self._changed)
        self._slider.rangeChanged.connect(self.rangeChanged)

    def _changed(self, low: float, high: float) -> None:
        with QtCore.QSignalBlocker(self._low_box), QtCore.QSignalBlocker(self._high_box):
            self._low_box.setValue(low)
            self._high_box.setValue(high)
        self.valuesChanged.emit(low, high)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Ends of the slider and the spin boxes."""
        with QtCore.QSignalBlocker(self._low_box), QtCore.QSignalBlocker(self._high_box):
            self._low_box.setRange(minimum, maximum)
            self._high_box.setRange(minimum, maximum)
        self._slider.setRange(minimum, maximum)

    def setValues(self, low: float, high: float) -> None:
        """Both values at once."""
        self._slider.setValues(low, high)

    def setMinimumValue(self, value: float) -> None:
        """The lower value."""
        self._slider.setMinimumValue(value)

    def setMaximumValue(self, value: float) -> None:
        """The upper value."""
        self._slider.setMaximumValue(value)

    minimumValue = QtCore.Property(float, lambda self: self._slider.minimumValue, setMinimumValue)
    maximumValue = QtCore.Property(float, lambda self: self._slider.maximumValue, setMaximumValue)

    def _set_single_step(self, step: float) -> None:
        self._slider.singleStep = step
        self._low_box.setSingleStep(step)
        self._high_box.setSingleStep(step)

    singleStep = QtCore.Property(float, lambda self: self._slider.singleStep, _set_single_step)

    def setDecimals(self, decimals: int) -> None:
        """Digits after the point."""
        self._low_box.setDecimals(decimals)
        self._high_box.setDecimals(decimals)

    decimals = QtCore.Property(int, lambda self: self._low_box.decimals(), setDecimals)

    def reset(self) -> None:
        """Both values to the ends."""
        self.setValues(self._slider.minimum, self._slider.maximum)


class qMRMLRangeWidget(ctkRangeWidget):
    """A range that knows the scene's units."""

    quantity = stored(str, "")

    def setMRMLScene(self, scene: object) -> None:
        """Tell it the scene."""
        self._scene = scene

    def mrmlScene(self) -> object:
        """The scene."""
        return getattr(self, "_scene", None)
