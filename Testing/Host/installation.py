"""Puts the host's parts into the ``slicer`` package, beside the real classes of slicer-core."""

import sys
from typing import Any

import slicer

from Testing.Host import modules, widget_classes
from Testing.Host.application import Application
from Testing.Host.modules import ModuleManager, Modules


def install(application: Application, namespace: Modules, manager: ModuleManager) -> None:
    """Make ``slicer.app``, ``slicer.mrmlScene``, ``slicer.modules``, ``slicer.util`` and the others work."""
    slicer.app = application
    slicer.mrmlScene = application.mrmlScene()
    slicer.modules = namespace
    for name, kind in {**widget_classes.stand_ins(), **widget_classes.views()}.items():
        if name.startswith("qMRML"):
            setattr(slicer, name, kind)
    slicer.qSlicerScriptedLoadableModule = modules.qSlicerScriptedLoadableModule
    slicer.qSlicerScriptedLoadableModuleWidget = modules.qSlicerScriptedLoadableModuleWidget

    from Testing.Host import parameter_nodes
    from Testing.Host.slicer_modules import i18n, packaging, sample_data, scripted_module, util

    util.install(manager)
    _add("i18n", i18n)
    _add("packaging", packaging)
    _add("ScriptedLoadableModule", scripted_module)
    _add("parameterNodeWrapper", parameter_nodes)
    sys.modules["SampleData"] = sample_data


def _add(name: str, module: Any) -> None:
    setattr(slicer, name, module)
    sys.modules[f"slicer.{name}"] = module
