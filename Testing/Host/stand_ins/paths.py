"""File and folder choice: ctkPathLineEdit and ctkDirectoryButton."""

import enum
from pathlib import Path

from PySide6 import QtCore, QtWidgets

from Testing.Host import dialogs
from Testing.Host.stand_ins.base import forwarded, stored


class ctkPathLineEdit(QtWidgets.QWidget):
    """An editable path with its history and a button that opens a file dialog."""

    class Filters(enum.IntFlag):
        """Which kind of path it takes: the values of QDir::Filter."""

        Dirs = 0x001
        Files = 0x002
        Drives = 0x004
        NoSymLinks = 0x008
        Readable = 0x010
        Writable = 0x020
        Executable = 0x040
        Hidden = 0x100
        System = 0x200
        AllDirs = 0x400
        NoDot = 0x2000
        NoDotDot = 0x4000
        NoDotAndDotDot = 0x6000
        AllEntries = 0x007

    class SizeAdjustPolicy(enum.IntEnum):
        """As in QComboBox."""

        AdjustToContents = 0
        AdjustToContentsOnFirstShow = 1
        AdjustToMinimumContentsLength = 2
        AdjustToMinimumContentsLengthWithIcon = 3

    Dirs, Files, Drives, NoSymLinks = Filters.Dirs, Filters.Files, Filters.Drives, Filters.NoSymLinks
    Readable, Writable, Executable = Filters.Readable, Filters.Writable, Filters.Executable
    Hidden, System, AllDirs, NoDot = Filters.Hidden, Filters.System, Filters.AllDirs, Filters.NoDot
    NoDotDot, NoDotAndDotDot, AllEntries = Filters.NoDotDot, Filters.NoDotAndDotDot, Filters.AllEntries

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    filters = stored(int, int(Filters.AllEntries))
    nameFilters = stored("QStringList", [])
    options = stored(int, 0)
    settingKey = stored(str, "")
    label = stored(str, "")
    minimumContentsLength = stored(int, 0)
    sizeAdjustPolicy = stored(int, 0)
    showHistoryButton = stored(bool, True, after="_show_buttons")
    showBrowseButton = stored(bool, True, after="_show_buttons")

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._valid = False
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setEditable(True)
        self._combo.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        self._combo.setMinimumContentsLength(8)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._combo.editTextChanged.connect(self._changed)
        self._button = QtWidgets.QToolButton(self)
        self._button.setText("...")
        self._button.clicked.connect(self.browse)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        layout.addWidget(self._button)
        self.setFocusProxy(self._combo)

    def _current_path(self) -> str:
        return self._combo.currentText()

    def setCurrentPath(self, path: str) -> None:
        """Show a path; it need not exist."""
        self._combo.setEditText(str(path))

    currentPath = QtCore.Property(str, _current_path, setCurrentPath)

    def _changed(self, path: str) -> None:
        valid = self._accepts(path)
        if valid != self._valid:
            self._valid = valid
            self.validInputChanged.emit(valid)
        self.currentPathChanged.emit(path)

    def _accepts(self, path: str) -> bool:
        found = Path(path)
        if not path or not found.exists():
            return bool(path) and bool(self.filters & self.Filters.Writable) and found.parent.is_dir()
        return bool(self.filters & (self.Filters.Dirs if found.is_dir() else self.Filters.Files))

    def browse(self) -> None:
        """Ask with a file dialog."""
        if self.filters & self.Filters.Files:
            if self.filters & self.Filters.Writable:
                path = dialogs.ask_save_file(self, self.label, self.currentPath, ";;".join(self.nameFilters))
            else:
                path = dialogs.ask_open_file(self, self.label, self.currentPath, ";;".join(self.nameFilters))
        else:
            path = dialogs.ask_folder(self, self.label, self.currentPath)
        if path:
            self.setCurrentPath(path)

    def comboBox(self) -> QtWidgets.QComboBox:
        """The inner combo box."""
        return self._combo

    def addCurrentPathToHistory(self) -> None:
        """Remember the path, also in the settings where ``settingKey`` is set."""
        path = self.currentPath
        if path and self._combo.findText(path) < 0:
            self._combo.insertItem(0, path)
            self._combo.setCurrentIndex(0)
        if self.settingKey:
            history = [self._combo.itemText(i) for i in range(self._combo.count())]
            QtCore.QSettings().setValue(self.settingKey, history)

    def retrieveHistory(self) -> None:
        """Fill the history from the settings; the last path becomes current."""
        stored_paths = QtCore.QSettings().value(self.settingKey) if self.settingKey else None
        paths = [stored_paths] if isinstance(stored_paths, str) else list(stored_paths or [])
        self._combo.clear()
        self._combo.addItems(paths)

    def _show_buttons(self) -> None:
        self._button.setVisible(self.showBrowseButton)


class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows a folder and asks for another when it is pressed."""

    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)

    caption = stored(str, "")
    options = stored(int, 0)
    acceptMode = stored(int, 0)
    elideMode = stored(int, 3)
    text = forwarded(str, "_button", "text")

    def __init__(self, parent: QtWidgets.QWidget | str | None = None):
        super().__init__(parent if isinstance(parent, QtWidgets.QWidget) else None)
        self._button = QtWidgets.QPushButton(self)
        self._button.setIcon(self.style().standardIcon(QtWidgets.QStyle.StandardPixmap.SP_DirIcon))
        self._button.clicked.connect(self.browse)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self._directory = ""
        self._set_directory(parent if isinstance(parent, str) else ".")

    def _get_directory(self) -> str:
        return self._directory

    def _set_directory(self, directory: str) -> None:
        absolute = QtCore.QDir(str(directory)).absolutePath()
        if absolute == self._directory:
            return
        self._directory = absolute
        self._button.setText(absolute)
        self.directoryChanged.emit(absolute)

    directory = QtCore.Property(str, _get_directory, _set_directory)

    def browse(self) -> None:
        """Ask with a folder dialog."""
        chosen = dialogs.ask_folder(self, self.caption or "Select folder", self._directory)
        if chosen:
            self._set_directory(chosen)
            self.directorySelected.emit(self._directory)
