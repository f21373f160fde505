"""The host offers no name that a running Slicer does not: what passes here must not fail there."""

import inspect
import json
from typing import Any

import pytest

from Testing.Host.pythonqt import names

#: Python's own on every class, and Qt's virtual functions that stand-ins override: no module calls them.
_QT_VIRTUAL = {"childEvent", "enterEvent", "leaveEvent", "hitButton", "exec", "sizeHint", "minimumSizeHint"}
_QT_VIRTUAL |= {f"{name}Event" for name in ("mousePress", "mouseMove", "mouseRelease", "mouseDoubleClick")}
_QT_VIRTUAL |= {"paintEvent", "resizeEvent", "wheelEvent", "staticMetaObject"}

#: Enumeration values: the listing leaves them out.
_CONSTANTS = {
    "ctkPathLineEdit": {
        *("Dirs", "Files", "Drives", "NoSymLinks", "Readable", "Writable", "Executable", "Hidden", "System"),
        *("AllDirs", "NoDot", "NoDotDot", "NoDotAndDotDot", "AllEntries"),
    },
    "ctkComboBox": {"NeverScroll", "AlwaysScroll", "ScrollWithFocus", "ScrollWithNoVBar"},
}


def own_names(kind: type) -> set[str]:
    """Public names that the host's classes define, below the first class of Qt."""
    found: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.startswith("PySide6"):
            break
        found |= {name for name in vars(base) if not name.startswith("_")}
    return found


@pytest.fixture
def listing() -> dict[str, Any]:
    return json.loads(names.API_FILE.read_text(encoding="utf-8"))


def test_every_stand_in_is_a_class_of_slicer_and_offers_no_more(host: Any) -> None:
    from Testing.Host import widget_classes

    extra = {}
    for name, kind in widget_classes.stand_ins().items():
        key = f"ctk.{name}" if name.startswith("ctk") else f"slicer.{name}"
        allowed = names.api()[key] | names.api()["qt.QWidget"] | _QT_VIRTUAL | _CONSTANTS.get(name, set())
        extra[name] = own_names(kind) - allowed
    assert {name: more for name, more in extra.items() if more} == {}


def test_views_offer_no_more_to_a_module(host: Any) -> None:
    """Their classes have more for the host's own use, which a module cannot reach."""
    from Testing.Host.pythonqt.attributes import pythonqt

    red = host.layout_manager.sliceWidget("Red")
    three_d = host.layout_manager.threeDWidget(0)
    for widget in (red, red.sliceView(), three_d, three_d.threeDView()):
        allowed = names.api()[f"slicer.{type(widget).__name__}"] | names.api()["qt.QWidget"]
        for name in own_names(type(widget)) - allowed - _QT_VIRTUAL:
            with pytest.raises(AttributeError):
                getattr(pythonqt(widget), name)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("app", "application.Application"),
        ("layoutManager", "views.layout_manager.LayoutManager"),
        ("coreIOManager", "io_manager.IOManager"),
        ("module", "modules.qSlicerScriptedLoadableModule"),
    ],
)
def test_objects_of_the_application_offer_no_more(host: Any, key: str, path: str) -> None:
    import importlib

    file, _, name = path.rpartition(".")
    kind = getattr(importlib.import_module(f"Testing.Host.{file}"), name)
    assert own_names(kind) - names.api()[key] - _QT_VIRTUAL == set()


@pytest.mark.parametrize("key", ["packaging", "i18n"])
def test_functions_have_the_same_parameters(host: Any, listing: dict[str, Any], key: str) -> None:
    import slicer

    module = getattr(slicer, key)
    for name, signature in listing["signatures"][key].items():
        ours = inspect.signature(getattr(module, name))
        assert list(ours.parameters) == _parameters(signature), name


def test_base_classes_have_the_same_methods(host: Any, listing: dict[str, Any]) -> None:
    import slicer

    for class_name, methods in listing["signatures"]["ScriptedLoadableModule"].items():
        kind = getattr(slicer.ScriptedLoadableModule, class_name)
        public = {name for name in vars(kind) if not name.startswith("_")}
        assert public == {name for name in methods if not name.startswith("_")}
        for name in public:
            assert list(inspect.signature(getattr(kind, name)).parameters) == _parameters(methods[name]), name


def test_parameter_nodes_export_only_what_slicer_exports(host: Any) -> None:
    import slicer

    assert set(slicer.parameterNodeWrapper.__all__) <= names.api()["parameterNodeWrapper"]


def test_util_functions_are_in_util_alone(host: Any) -> None:
    """slicer-core copies them into ``slicer``; Slicer has them in ``slicer.util``."""
    import slicer

    assert not hasattr(slicer, "arrayFromVolume")
    assert not hasattr(slicer, "loadUI")
    assert callable(slicer.util.arrayFromVolume)
    assert slicer.vtkMRMLScene is not None


def _parameters(signature: str) -> list[str]:
    """Names in a signature's text."""
    without_hints = eval("lambda " + _strip(signature) + ": None")
    return list(inspect.signature(without_hints).parameters)


def _strip(signature: str) -> str:
    """``(a: 'int' = 1, **k) -> 'str'`` -> ``a=1, **k``."""
    import ast

    arguments = ast.parse(f"def f{signature}: pass").body[0].args
    for each in [*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
        if each is not None:
            each.annotation = None
    return ast.unparse(arguments)
