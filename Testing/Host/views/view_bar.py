"""The coloured bar above a view, with its label and for slices the slider of the offset."""

from PySide6 import QtCore, QtGui, QtWidgets


class ViewBar(QtWidgets.QFrame):
    """Label, slider and offset in mm."""

    moved = QtCore.Signal(float)

    def __init__(self, label: str, color: QtGui.QColor, slider: bool, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.setFixedHeight(20)
        self._label = QtWidgets.QLabel(self)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._value = QtWidgets.QLabel(self)
        self._value.setMinimumWidth(76)
        self._value.setAlignment(QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter)
        self._step, self._low = 1.0, 0.0
        self._slider.setVisible(slider)
        self._value.setVisible(slider)
        self._slider.valueChanged.connect(lambda position: self.moved.emit(self._low + position * self._step))
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(6, 1, 6, 1)
        layout.addWidget(self._label)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._value)
        if not slider:
            layout.addStretch(1)
        self.set_label(label)
        self.set_color(color)

    def set_label(self, label: str) -> None:
        """Text at the left."""
        self._label.setText(label)

    def set_color(self, color: QtGui.QColor) -> None:
        """Colour of the bar, as the view node gives it."""
        self.setStyleSheet(f"ViewBar {{ background: {color.name()}; }} QLabel {{ color: black; font-weight: bold; }}")

    def show_offset(self, offset: float, low: float, high: float, step: float, axis: str) -> None:
        """Put the slider where the slice is."""
        self._low, self._step = low, max(step, 1e-6)
        with QtCore.QSignalBlocker(self._slider):
            self._slider.setRange(0, max(round((high - low) / self._step), 0))
            self._slider.setValue(round((offset - low) / self._step))
        self._value.setText(f"{axis}: {offset:.3f}mm")
