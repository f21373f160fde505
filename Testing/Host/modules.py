"""Modules as Slicer holds them: found in a folder, loaded, selected, reloaded and unloaded."""

import importlib.util
import logging
import sys
import types
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from Testing.Host.pythonqt import rewrite
from Testing.Host.scene import World


class qSlicerScriptedLoadableModule:
    """``slicer.modules.<name>`` of a Python module, and the ``parent`` of its ``ScriptedLoadableModule``."""

    _WRITABLE = (
        "title",
        "categories",
        "dependencies",
        "contributors",
        "helpText",
        "acknowledgementText",
        "hidden",
        "icon",
        "index",
        "logo",
        "associatedNodeTypes",
        "widgetRepresentationCreationEnabled",
    )

    def __init__(self, name: str, path: Path, manager: "ModuleManager"):
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "path", str(path))
        object.__setattr__(self, "_manager", manager)
        object.__setattr__(self, "_widget", None)
        self.title, self.helpText, self.acknowledgementText = name, "", ""
        self.categories, self.dependencies, self.contributors = [], [], []
        self.hidden, self.icon, self.index = False, QtGui.QIcon(), -1
        self.widgetRepresentationCreationEnabled = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._WRITABLE and not name.startswith("_"):
            raise AttributeError(f"a module has no property '{name}' to set")
        object.__setattr__(self, name, value)

    def widgetRepresentation(self) -> "qSlicerScriptedLoadableModuleWidget":
        """The module's panel, made at the first call."""
        if self._widget is None:
            self._widget = self._manager.make_widget(self)
        return self._widget

    def createNewWidgetRepresentation(self) -> "qSlicerScriptedLoadableModuleWidget":
        """Another panel of the module."""
        return self._manager.make_widget(self)

    def logic(self) -> Any:
        """Scripted modules have a logic of the most general kind."""
        return self._manager.scripted_logic

    def mrmlScene(self) -> Any:
        """The scene."""
        return slicer.mrmlScene


class qSlicerScriptedLoadableModuleWidget(QtWidgets.QWidget):
    """Holds the panel of a scripted module and passes on enter and exit."""

    def __init__(self, module: qSlicerScriptedLoadableModule):
        super().__init__()
        self._module = module
        self._python: Any = None
        self.setLayout(QtWidgets.QVBoxLayout())
        self.layout().setContentsMargins(0, 4, 0, 4)
        self.setObjectName(f"{module.name}ModuleWidget")

    def self(self) -> Any:
        """The module's own ``...Widget`` object."""
        return self._python

    def reload(self) -> None:
        """Make the module's widget object anew and build its panel."""
        self._python = self._module._manager.make_python_widget(self._module, self)
        self._python.setup()

    def enter(self) -> None:
        """The user opens the module."""
        if hasattr(self._python, "enter"):
            self._python.enter()

    def exit(self) -> None:
        """The user opens another module."""
        if hasattr(self._python, "exit"):
            self._python.exit()


class BuiltInModule:
    """``slicer.modules.volumes`` and others: the real logic without a panel."""

    def __init__(self, name: str, logic: Any):
        self.name, self.title, self._logic = name, name, logic

    def logic(self) -> Any:
        """The real logic."""
        return self._logic

    def widgetRepresentation(self) -> None:
        """The host has no panels of Slicer's own modules."""
        return


class Modules:
    """``slicer.modules``: every module by its name in lower case."""


class ModuleManager(QtCore.QObject):
    """``slicer.app.moduleManager()``."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)
    moduleLoaded = QtCore.Signal(str)
    moduleUnloaded = QtCore.Signal(str)

    def __init__(self, world: World, namespace: Modules):
        super().__init__()
        self._namespace = namespace
        self._loaded: dict[str, Any] = {}
        self._finder = rewrite.Finder()
        self.scripted_logic = slicer.vtkSlicerScriptedLoadableModuleLogic()
        for name, logic in world.logics.items():
            self._register(name, BuiltInModule(name, logic))

    def module(self, name: str) -> Any:
        """A loaded module, or None."""
        return self._loaded.get(name)

    def modulesNames(self) -> list[str]:
        """Names of all loaded modules."""
        return list(self._loaded)

    def factoryManager(self) -> "ModuleManager":
        """The host's manager is its own factory."""
        return self

    def loadedModuleNames(self) -> list[str]:
        """Names of all loaded modules."""
        return list(self._loaded)

    # --- loading ---

    def load_folder(self, folder: Path) -> list[qSlicerScriptedLoadableModule]:
        """Load every module of a folder, as Slicer does with each ``.py`` file in an additional module path.

        A file without a class of its own name is reported and left out, as in Slicer.
        """
        folder = folder.resolve()
        self._finder.folders.append(folder)
        rewrite.install(self._finder)
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        loaded = []
        for path in sorted(folder.glob("*.py")):
            module = self._load(path)
            if module is not None:
                loaded.append(module)
        return loaded

    def _load(self, path: Path) -> qSlicerScriptedLoadableModule | None:
        name = path.stem
        module = qSlicerScriptedLoadableModule(name, path, self)
        self._register(name, module)
        python = self._execute(name, path)
        if not hasattr(python, name):
            logging.error("%s has no class %s and is not a module", path, name)
            self._forget(name)
            return None
        icon = path.parent / "Resources" / "Icons" / f"{name}.png"
        if icon.is_file():
            module.icon = QtGui.QIcon(str(icon))
        setattr(self._namespace, f"{name}Instance", getattr(python, name)(module))
        self.moduleLoaded.emit(name)
        return module

    def _execute(self, name: str, path: Path) -> types.ModuleType:
        spec = importlib.util.spec_from_file_location(name, path, loader=rewrite.Loader(name, str(path)))
        python = importlib.util.module_from_spec(spec)
        sys.modules[name] = python
        try:
            spec.loader.exec_module(python)
        except BaseException:
            self._forget(name)
            raise
        return python

    def _register(self, name: str, module: Any) -> None:
        self._loaded[name] = module
        setattr(self._namespace, name.lower(), module)

    def make_widget(self, module: qSlicerScriptedLoadableModule) -> qSlicerScriptedLoadableModuleWidget:
        """A panel with the module's widgets in it."""
        widget = qSlicerScriptedLoadableModuleWidget(module)
        widget.reload()
        return widget

    def make_python_widget(self, module: qSlicerScriptedLoadableModule, parent: QtWidgets.QWidget) -> Any:
        """The module's ``...Widget`` object."""
        python = getattr(sys.modules[module.name], f"{module.name}Widget")(parent)
        setattr(self._namespace, f"{module.name}Widget", python)
        return python

    def reload(self, name: str) -> types.ModuleType:
        """``slicer.util.reloadScriptedModule``: run the file again, clean up, build the panel anew.

        Neither ``exit`` of the old nor ``enter`` of the new panel is called, as in Slicer.
        """
        module = self._loaded[name]
        python = self._execute(name, Path(module.path))
        panel = module.widgetRepresentation()
        old = panel.self()
        old.cleanup()
        self.moduleAboutToBeUnloaded.disconnect(old._onModuleAboutToBeUnloaded)
        _empty(panel)
        panel.reload()
        return python

    def unload(self, name: str) -> None:
        """Clean up a module and forget it."""
        module = self._loaded[name]
        self.moduleAboutToBeUnloaded.emit(name)
        if module._widget is not None:
            module._widget.deleteLater()
        self._forget(name)
        self._finder.folders = [folder for folder in self._finder.folders if folder != Path(module.path).parent]
        self.moduleUnloaded.emit(name)

    def _forget(self, name: str) -> None:
        self._loaded.pop(name, None)
        for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
            if hasattr(self._namespace, attribute):
                delattr(self._namespace, attribute)
        sys.modules.pop(name, None)


def _empty(panel: QtWidgets.QWidget) -> None:
    """Take everything out of a panel."""
    for child in panel.children():
        if isinstance(child, QtWidgets.QWidget):
            child.hide()
            child.deleteLater()
    while panel.layout().count():
        panel.layout().takeAt(0)
