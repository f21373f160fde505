"""QSettings in a folder of the host: nothing of the machine's own settings is read or written."""

from pathlib import Path

from PySide6 import QtCore

ORGANIZATION = "NA-MIC"
APPLICATION = "Slicer"


def redirect(folder: Path) -> None:
    """Let every ``QSettings()`` use an ini file below this folder."""
    QtCore.QCoreApplication.setOrganizationName(ORGANIZATION)
    QtCore.QCoreApplication.setOrganizationDomain("www.na-mic.org")
    QtCore.QCoreApplication.setApplicationName(APPLICATION)
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
    for scope in (QtCore.QSettings.Scope.UserScope, QtCore.QSettings.Scope.SystemScope):
        QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, scope, str(folder))


def clear() -> None:
    """Forget all settings."""
    settings = QtCore.QSettings()
    settings.clear()
    settings.sync()
