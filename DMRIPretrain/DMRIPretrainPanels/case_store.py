"""The table of cases as part of the scene: what is saved with it, and found again when it is loaded."""

import json
from contextlib import contextmanager
from dataclasses import asdict

from .cases import GONE, SPLITS, Case

#: Fields that hold nodes. A scene gives its nodes other identifiers when it is loaded, and keeps references right.
_NODES = ("scanNode", "labelsNode")


def readCases(parameterNode):
    """The cases that are kept in a parameter node; a node that is no longer there is ``GONE``.

    What cannot be read, in a scene of another version, is left out.
    """
    try:
        entries = json.loads(parameterNode.cases or "[]")
        return [_read(parameterNode.parameterNode, number, entry) for number, entry in enumerate(entries)]
    except (ValueError, TypeError, AttributeError):
        return []


def writeCases(parameterNode, cases):
    """Keep these cases instead of those so far."""
    node = parameterNode.parameterNode
    with _atOnce(node):
        for role in [node.GetNthNodeReferenceRole(index) for index in range(node.GetNumberOfNodeReferenceRoles())]:
            if role.startswith("case"):
                node.RemoveNodeReferenceIDs(role)
        for number, case in enumerate(cases):
            for field in _NODES:
                if getattr(case, field) not in ("", GONE):
                    node.SetNodeReferenceID(_role(number, field), getattr(case, field))
        entries = [asdict(case) | {field: bool(getattr(case, field)) for field in _NODES} for case in cases]
        parameterNode.cases = json.dumps(entries) if entries else ""


def _read(node, number, entry):
    texts = {field: str(entry.get(field, "")) for field in ("scan", "labels", "subject", "split")}
    nodes = {field: _identifier(node, _role(number, field)) for field in _NODES if entry.get(field)}
    split = texts["split"] if texts["split"] in SPLITS else ""
    return Case(**texts | nodes | {"split": split})


def _identifier(node, role):
    referred = node.GetNodeReference(role)
    return referred.GetID() if referred is not None else GONE


def _role(number, field):
    return f"case{number}.{field}"


@contextmanager
def _atOnce(node):
    """Changes are told once, at the end."""
    modifying = node.StartModify()
    try:
        yield
    finally:
        node.EndModify(modifying)
