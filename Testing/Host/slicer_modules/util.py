"""``slicer.util``: the real file of slicer-core with PythonQt's manners, and the functions that need Slicer's own."""

from pathlib import Path
from typing import Any

import slicer

from Testing.Host import dialogs, ui_files
from Testing.Host.pythonqt import rewrite


def install(modules: Any) -> None:
    """Run the real file again in place, then put the host's functions into it.

    slicer-core copies every function of it into ``slicer``, which Slicer does not: they are taken away there.
    """
    from slicer import util

    for name in [name for name in vars(util) if not name.startswith("_") and name in vars(slicer)]:
        if getattr(slicer, name) is getattr(util, name) and not name.startswith("vtk"):
            delattr(slicer, name)
    rewrite.execute(Path(util.__file__), util)
    util.loadUI = load_ui
    util.delayDisplay = delay_display
    util.pip_install = refuse_pip
    util.pip_uninstall = refuse_pip
    util.reloadScriptedModule = modules.reload


def load_ui(path: str) -> Any:
    """Widget of a ``.ui`` file; what Slicer could not show raises."""
    return ui_files.load(path)


def delay_display(message: str, autoCloseMsec: int = 1000, parent: Any = None, **kwargs: Any) -> None:
    """A message that closes by itself; the host does not wait for it."""
    dialogs.current.record(dialogs.Asked("delay", message))
    slicer.app.processEvents()


def refuse_pip(*requirements: Any, **kwargs: Any) -> None:
    """Installing this way blocks Slicer without asking."""
    raise AssertionError(f"use slicer.packaging.pip_ensure instead of slicer.util.pip_install({requirements})")
