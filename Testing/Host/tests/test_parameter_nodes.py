"""Parameter nodes as the developer guide of Slicer documents them."""

import enum
import pathlib
import typing
from typing import Annotated, Any

import pytest


@pytest.fixture
def node(host: Any) -> Any:
    return host.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


class Size(enum.Enum):
    """An enumeration that has texts for its widgets."""

    SMALL = 1
    LARGE = 2

    def label(self) -> str:
        return self.name.capitalize()


def wrap(**annotations: Any) -> type:
    """A wrapper class with these parameters; a tuple (type, value) gives a default."""
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    body: dict[str, Any] = {"__annotations__": {}}
    for name, annotated in annotations.items():
        if isinstance(annotated, tuple):
            body["__annotations__"][name], body[name] = annotated
        else:
            body["__annotations__"][name] = annotated
    return parameterNodeWrapper(type("Parameters", (), body))


def test_implied_defaults_are_those_of_the_documentation(host: Any, node: Any) -> None:
    import slicer

    parameters = wrap(
        i=int,
        f=float,
        s=str,
        b=bool,
        n=slicer.vtkMRMLModelNode,
        values=list[int],
        t=tuple[int, bool],
        d=dict[str, int],
        e=Size,
        p=pathlib.Path,
        u=typing.Union[int, str],  # noqa: UP007 - what is documented
        o=typing.Optional[int],  # noqa: UP045
    )(node)
    assert (parameters.i, parameters.f, parameters.s, parameters.b) == (0, 0.0, "", False)
    assert parameters.n is None
    assert (parameters.values, parameters.t, parameters.d) == ([], (0, False), {})
    assert parameters.e is Size.SMALL
    assert parameters.p == pathlib.Path()
    assert (parameters.u, parameters.o) == (0, None)


def test_values_come_back_from_the_node(host: Any, node: Any) -> None:
    import slicer

    kind = wrap(
        i=int,
        f=float,
        s=str,
        b=bool,
        n=slicer.vtkMRMLModelNode,
        values=list[slicer.vtkMRMLModelNode],
        t=tuple[int, str],
        d=dict[str, list[int]],
        e=Size,
        p=pathlib.Path,
        u=typing.Union[int, str],  # noqa: UP007
        o=typing.Optional[float],  # noqa: UP045
    )
    model = host.scene.AddNewNodeByClass("vtkMRMLModelNode")
    given = {
        "i": -3,
        "f": 0.1,
        "s": "ä\nb",
        "b": True,
        "n": model,
        "values": [model, model],
        "t": (4, "x"),
        "d": {"a": [1, 2]},
        "e": Size.LARGE,
        "p": pathlib.Path("/data/scan.nrrd"),
        "u": "text",
        "o": 2.5,
    }
    first = kind(node)
    for name, value in given.items():
        setattr(first, name, value)
    second = kind(node)
    assert {name: getattr(second, name) for name in given} == given


def test_given_defaults_hold_until_the_node_has_a_value(host: Any, node: Any) -> None:
    from slicer.parameterNodeWrapper import Default

    counter = iter(range(10))
    kind = wrap(count=(int, 50), made=Annotated[int, Default(generator=lambda: next(counter))], items=(list[int], [1]))
    parameters = kind(node)
    assert (parameters.count, parameters.made, parameters.items) == (50, 0, [1])
    parameters.count = 7
    parameters.items.append(2)
    assert kind(node).count == 7
    assert kind(node).items == [1, 2]
    other = kind(host.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    assert (other.count, other.items) == (50, [1])


@pytest.mark.parametrize(
    ("validator", "good", "bad"),
    [
        ("Minimum(0)", 0, -1),
        ("Maximum(5)", 5, 6),
        ("WithinRange(0, 10)", 10, 11),
        ("Choice([1, 2])", 2, 3),
        ("Exclude([1, 2])", 3, 1),
    ],
)
def test_validators_refuse_and_keep_the_old_value(host: Any, node: Any, validator: str, good: int, bad: int) -> None:
    from slicer import parameterNodeWrapper

    parameters = wrap(x=(Annotated[int, eval(validator, vars(parameterNodeWrapper))], good))(node)
    with pytest.raises(ValueError, match="Value must"):
        parameters.x = bad
    assert parameters.x == good


def test_types_are_checked(host: Any, node: Any) -> None:
    import slicer

    parameters = wrap(i=int, f=float, n=slicer.vtkMRMLModelNode)(node)
    with pytest.raises(TypeError):
        parameters.i = "1"
    with pytest.raises(ValueError, match="None"):
        parameters.i = None
    with pytest.raises(TypeError):
        parameters.n = node
    parameters.f = 3
    assert parameters.f == 3.0
    with pytest.raises(AttributeError):
        parameters.typo = 1
    with pytest.raises(TypeError, match="not supported"):
        wrap(x=set)


def test_a_removed_node_is_none(host: Any, node: Any) -> None:
    import slicer

    parameters = wrap(n=slicer.vtkMRMLModelNode)(node)
    parameters.n = host.scene.AddNewNodeByClass("vtkMRMLModelNode")
    host.scene.RemoveNode(parameters.n)
    assert parameters.n is None


def test_values_are_remembered_by_each_wrapper(host: Any, node: Any) -> None:
    """As documented: a wrapper does not see what another one writes afterwards."""
    kind = wrap(x=int)
    first, second = kind(node), kind(node)
    assert (first.x, second.x) == (0, 0)
    first.x = 5
    assert second.x == 0
    assert kind(node).x == 5
    assert first.isCached("x")


def test_a_change_in_place_that_is_not_allowed_changes_nothing(host: Any, node: Any) -> None:
    from slicer.parameterNodeWrapper import Choice

    parameters = wrap(choices=list[Annotated[str, Choice(["a", "b"])]], numbers=dict[str, int])(node)
    parameters.choices.append("a")
    with pytest.raises(ValueError, match="one of"):
        parameters.choices += ["b", "c"]
    parameters.numbers["x"] = 1
    with pytest.raises(TypeError):
        parameters.numbers["y"] = "2"
    assert (parameters.choices, parameters.numbers) == (["a"], {"x": 1})


def test_unions_take_the_first_type_that_fits(host: Any, node: Any) -> None:
    from slicer.parameterNodeWrapper import Minimum

    parameters = wrap(x=(typing.Union[Annotated[int, Minimum(5)], str], 6))(node)  # noqa: UP007
    parameters.x = 7
    for value, error in ((4, ValueError), (True, TypeError), (1.5, TypeError)):
        with pytest.raises(error):
            parameters.x = value
    parameters.x = "text"
    assert parameters.x == "text"


def packs() -> tuple[type, type]:
    from slicer.parameterNodeWrapper import WithinRange, parameterPack

    @parameterPack
    class Point:
        x: Annotated[float, WithinRange(0, 10)]
        y: float = 2.0

    @parameterPack
    class Box:
        corner: Point
        names: list[str]

    return Point, Box


def test_packs_are_built_compared_and_checked(host: Any) -> None:
    point, _ = packs()
    assert point(1.0) == point(y=2.0, x=1.0)
    assert point(1.0) != point(1.5)
    assert str(point(3)) == "Point(x=3, y=2.0)"
    assert point(4).getValue("x") == 4
    for arguments, error in (((-1,), "within"), ((1, 2, 3), "members")):
        with pytest.raises(ValueError, match=error):
            point(*arguments)


def test_members_of_nested_packs_reach_the_node(host: Any, node: Any) -> None:
    _, box = packs()
    kind = wrap(box=box)
    parameters = kind(node)
    parameters.box.corner.x = 4.0
    parameters.box.names.append("a")
    assert node.GetParameter("box.corner.x") == "4.0"
    again = kind(node)
    assert (again.box.corner.x, again.box.names) == (4.0, ["a"])
    again.setValue("box.corner.y", 7.0)
    assert kind(node).getValue("box.corner.y") == 7.0
    with pytest.raises(ValueError, match="within"):
        parameters.box.corner.x = 11.0
    assert kind(node).box.corner.x == 4.0


def number_cases() -> list[tuple[str, str, Any, Any]]:
    return [
        ("qt.QSpinBox", "Annotated[int, WithinRange(0, 9)]", 4, 7),
        ("qt.QSlider", "Annotated[int, WithinRange(0, 9)]", 4, 7),
        ("qt.QDoubleSpinBox", "Annotated[float, Decimals(3), SingleStep(0.5)]", 0.125, -7.5),
        ("ctk.ctkSliderWidget", "Annotated[float, WithinRange(0, 9), Decimals(2)]", 4.25, 7.5),
        ("ctk.ctkDoubleSpinBox", "Annotated[float, Minimum(-1)]", 4.25, 7.5),
        ("ctk.ctkDoubleSlider", "Annotated[float, WithinRange(0, 9), SingleStep(0.25)]", 4.25, 7.5),
        ("slicer.qMRMLSliderWidget", "Annotated[float, WithinRange(0, 9)]", 4.25, 7.5),
    ]


@pytest.mark.parametrize(("widget", "kind", "first", "second"), number_cases())
def test_numbers_are_bound_both_ways(host: Any, node: Any, widget: str, kind: str, first: Any, second: Any) -> None:
    from Testing.Host.pythonqt.attributes import pythonqt

    part, parameters = _make(widget), wrap(x=_type(kind))(node)
    parameters.x = first
    tag = parameters.connectParametersToGui({"x": part})
    assert pythonqt(part).value == first
    pythonqt(part).value = second
    assert parameters.x == second
    parameters.x = first
    assert pythonqt(part).value == first
    parameters.disconnectGui(tag)
    pythonqt(part).value = second
    assert parameters.x == first
    part.deleteLater()


@pytest.mark.parametrize(
    ("widget", "name", "kind", "first", "second", "shown"),
    [
        ("qt.QCheckBox", "checked", "bool", False, True, True),
        ("qt.QLineEdit", "text", "str", "a", "b", "b"),
        ("qt.QTextEdit", "plainText", "str", "a", "b\nc", "b\nc"),
        ("ctk.ctkPathLineEdit", "currentPath", "pathlib.Path", pathlib.Path("/a"), pathlib.Path("/b"), "/b"),
        ("ctk.ctkDirectoryButton", "directory", "pathlib.Path", pathlib.Path("/"), pathlib.Path("/b"), "/b"),
        ("qt.QComboBox", "currentText", "Annotated[float, Choice([1.5, 2.5])]", 1.5, 2.5, "2.5"),
        ("ctk.ctkComboBox", "currentText", "Size", Size.SMALL, Size.LARGE, "Large"),
    ],
)
def test_other_types_are_bound_both_ways(
    host: Any, node: Any, widget: str, name: str, kind: str, first: Any, second: Any, shown: Any
) -> None:
    part, parameters = _make(widget), wrap(x=(_type(kind), first))(node)
    parameters.connectParametersToGui({"x": part})
    parameters.x = second
    assert part.property(name) == shown
    parameters.x = first
    if "ComboBox" in widget:
        part.setCurrentIndex(1)
    else:
        part.setProperty(name, shown)
    assert parameters.x == second
    part.deleteLater()


def test_ranges_and_nodes_are_bound_both_ways(host: Any, node: Any) -> None:
    import ctk
    import slicer
    from slicer.parameterNodeWrapper import Default, FloatRange, RangeBounds

    kind = wrap(r=Annotated[FloatRange, RangeBounds(-1, 9), Default(FloatRange(2, 3))], n=slicer.vtkMRMLModelNode)
    parameters = kind(node)
    limits, selector = ctk.ctkRangeWidget(), slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLModelNode"]
    selector.noneEnabled = True
    selector.setMRMLScene(host.scene)
    parameters.connectParametersToGui({"r": limits, "n": selector})
    assert (limits.minimumValue, limits.maximumValue) == (2, 3)
    limits.setValues(-5, 5)
    assert parameters.r == FloatRange(-1, 5)
    parameters.r.maximum = 4
    assert limits.maximumValue == 4
    model = host.scene.AddNewNodeByClass("vtkMRMLModelNode")
    selector.setCurrentNode(model)
    assert parameters.n is model
    parameters.n = None
    assert selector.currentNode() is None
    for widget in (limits, selector):
        widget.deleteLater()


def test_a_label_shows_and_does_not_set(host: Any, node: Any) -> None:
    import qt

    label, parameters = qt.QLabel(), wrap(x=str)(node)
    parameters.connectParametersToGui({"x": label})
    parameters.x = "a"
    assert label.text() == "a"


def test_members_of_packs_are_bound_by_dots(host: Any, node: Any) -> None:
    import qt

    _, box = packs()
    parameters = wrap(box=box)(node)
    widget = qt.QWidget()
    spin = qt.QDoubleSpinBox(widget)
    spin.setProperty("SlicerParameterName", "box.corner.x")
    parameters.connectGui(widget)
    assert spin.maximum() == 10
    spin.setValue(6)
    assert parameters.box.corner.x == 6
    parameters.box.corner.x = 1.0
    assert spin.value() == 1


@pytest.mark.parametrize(
    ("widget", "kind", "reason"),
    [
        ("qt.QSlider", "int", "minimum"),
        ("ctk.ctkSliderWidget", "float", "minimum"),
        ("qt.QCheckBox", "int", "cannot show"),
        ("qt.QComboBox", "str", "cannot show"),
        ("slicer.qMRMLNodeComboBox", "slicer.vtkMRMLModelNode | None", "cannot be connected in Slicer"),
    ],
)
def test_what_slicer_cannot_connect_is_refused(host: Any, node: Any, widget: str, kind: str, reason: str) -> None:
    part, parameters = _make(widget), wrap(x=_type(kind))(node)
    with pytest.raises(RuntimeError, match=reason):
        parameters.connectParametersToGui({"x": part})
    part.deleteLater()


def test_a_widget_that_names_no_parameter_is_refused(host: Any, node: Any) -> None:
    import qt

    widget = qt.QCheckBox()
    widget.setProperty("SlicerParameterName", "typo")
    with pytest.raises(ValueError, match="typo"):
        wrap(x=bool)(node).connectGui(widget)


def test_observers_of_a_wrapper_are_told_once_for_each_change(host: Any, node: Any) -> None:
    import vtk

    parameters = wrap(x=int, items=list[int])(node)
    seen: list[int] = []
    tag = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: seen.append(parameters.x))
    parameters.x = 3
    parameters.items = [1, 2, 3]
    assert seen == [3, 3]
    parameters.RemoveObserver(tag)
    parameters.x = 4
    assert seen == [3, 3]


def _make(name: str) -> Any:
    import ctk
    import qt
    import slicer

    module, _, kind = name.partition(".")
    return getattr({"ctk": ctk, "qt": qt, "slicer": slicer}[module], kind)()


def _type(text: str) -> Any:
    import slicer

    return eval(
        text,
        {**vars(slicer.parameterNodeWrapper), "Annotated": Annotated, "Size": Size, "pathlib": pathlib},
        {"slicer": slicer},
    )
