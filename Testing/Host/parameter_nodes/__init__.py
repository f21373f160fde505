"""``slicer.parameterNodeWrapper``: typed parameters on a ``vtkMRMLScriptedModuleNode``, as Slicer's documentation says.

Left out of what is documented: custom serializers and connectors, ``createGui``, ``typing.Any``.
"""

from Testing.Host.parameter_nodes.annotations import (
    Decimals,
    Default,
    Label,
    SingleStep,
    findFirstAnnotation,
    splitAnnotations,
    unannotatedType,
)
from Testing.Host.parameter_nodes.pack import isParameterPack, parameterPack
from Testing.Host.parameter_nodes.ranges import FloatRange
from Testing.Host.parameter_nodes.validators import (
    Choice,
    Exclude,
    IsInstance,
    Maximum,
    Minimum,
    NotNone,
    RangeBounds,
    Validator,
    WithinRange,
)
from Testing.Host.parameter_nodes.wrapper import (
    SlicerParameterNamePropertyName,
    isParameterNodeWrapper,
    parameterNodeWrapper,
)

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "FloatRange",
    "IsInstance",
    "Label",
    "Maximum",
    "Minimum",
    "NotNone",
    "RangeBounds",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "findFirstAnnotation",
    "isParameterNodeWrapper",
    "isParameterPack",
    "parameterNodeWrapper",
    "parameterPack",
    "splitAnnotations",
    "unannotatedType",
]
