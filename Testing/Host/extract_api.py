"""Makes ``slicer_api.json`` from a full listing of a running Slicer: ``python -m Testing.Host.extract_api LISTING``."""

import json
import sys
from pathlib import Path
from typing import Any

#: What the host stands in for: module -> class names.
CLASSES = {
    "slicer": (
        "qMRMLNodeComboBox qMRMLCheckableNodeComboBox qMRMLColorTableComboBox qMRMLSegmentSelectorWidget "
        "qMRMLSliderWidget qMRMLSpinBox qMRMLRangeWidget qMRMLWidget qMRMLTableView qMRMLPlotView qMRMLPlotWidget "
        "qMRMLThreeDView qMRMLThreeDWidget qMRMLSliceWidget qMRMLCollapsibleButton"
    ),
    "ctk": (
        "ctkCollapsibleButton ctkCollapsibleGroupBox ctkPathLineEdit ctkSliderWidget ctkDoubleSpinBox "
        "ctkDoubleSlider ctkRangeWidget ctkDoubleRangeSlider ctkComboBox ctkCheckableComboBox ctkDirectoryButton "
        "ctkColorPickerButton ctkMenuButton ctkExpandButton ctkMessageBox ctkPushButton ctkCheckBox ctkSearchBox"
    ),
    "qt": (
        "QWidget QLabel QPushButton QToolButton QCheckBox QComboBox QLineEdit QSpinBox QDoubleSpinBox QSlider "
        "QProgressBar QPlainTextEdit QTextBrowser QTableWidget QTreeWidget QListWidget QTabWidget QGroupBox "
        "QStackedWidget QFormLayout QVBoxLayout QHBoxLayout QGridLayout QTimer QProcess QSettings QMenu QAction "
        "QHeaderView QScrollArea QSplitter QRadioButton QButtonGroup QFileSystemWatcher QStyledItemDelegate"
    ),
}

#: Objects of the listing under a shorter name.
OBJECTS = {
    "slicer.app": "app",
    "slicer.app.coreIOManager()": "coreIOManager",
    "slicer.app.layoutManager()": "layoutManager",
    'layoutManager().sliceWidget("Red").sliceView()': "slicer.qMRMLSliceView",
    "slicer.util.mainWindow()": "mainWindow",
    "a loadable module object": "module",
    "slicer.parameterNodeWrapper names": "parameterNodeWrapper",
    "module slicer.util": "util",
    "module slicer.packaging": "packaging",
    "module slicer.i18n": "i18n",
    "module slicer.testing": "testing",
    "module slicer.ScriptedLoadableModule": "ScriptedLoadableModule",
}

#: Modules whose functions are compared by signature too.
SIGNED = ("module slicer.packaging", "module slicer.i18n", "module slicer.ScriptedLoadableModule")


def names(entry: Any) -> list[str]:
    """Public names of a class, object or module of the listing."""
    if isinstance(entry, dict) and "callables" in entry:
        entry = [*entry.get("properties", ()), *entry["callables"]]
    return sorted({name for name in entry if not name.startswith("_")})


def needed(listing: dict[str, Any]) -> dict[str, Any]:
    """The part of the listing that the host and its tests use."""
    classes = [f"{module}.{name}" for module, text in CLASSES.items() for name in text.split(" ")]
    keys = dict(zip(classes, classes, strict=True)) | OBJECTS
    return {
        "about": listing["about"],
        "names": {short: " ".join(names(listing[key])) for key, short in keys.items()},
        "signatures": {OBJECTS[key]: listing[key] for key in SIGNED},
    }


if __name__ == "__main__":
    part = needed(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(__file__).with_name("slicer_api.json").write_text(json.dumps(part, indent=1) + "\n", encoding="utf-8")
