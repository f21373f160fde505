"""Settings of a job from ``job.json``, which may come from a stranger or from another version."""

import dataclasses
import types
import typing
from typing import Any, TypeVar

from ..errors import UserError

T = TypeVar("T")


def settings_from_json(sort: type[T], content: dict[str, Any], what: str) -> T:
    """Rebuild a dataclass of plain values; lists become tuples where the dataclass has these.

    Args:
        sort: the dataclass.
        content: its fields; ``kind`` is left out.
        what: whose settings they should be, for messages.

    Raises:
        UserError: if a field is unknown, missing or of another type.
    """
    hints = typing.get_type_hints(sort)
    values = {name: value for name, value in content.items() if name != "kind"}
    for name, value in values.items():
        if name not in hints:
            raise _other(what, f"the entry {name}")
        values[name] = _converted(hints[name], value, what, name)
    try:
        return sort(**values)
    except TypeError as error:
        raise _other(what, str(error)) from error


def settings_to_json(settings: Any, kind: str) -> dict[str, Any]:
    """The other way round."""
    return {"kind": kind, **dataclasses.asdict(settings)}


def _converted(hint: Any, value: Any, what: str, name: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _converted(next(a for a in arguments if a is not type(None)), value, what, name)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_converted(arguments[0], item, what, name) for item in value)
    if origin is dict and isinstance(value, dict):
        return {
            _key(arguments[0], key, what, name): _converted(arguments[1], v, what, name) for key, v in value.items()
        }
    if hint is Any or (origin is None and _is(hint, value)):
        return value
    raise _other(what, f"{name} = {str(value)[:60]}")


def _is(hint: type, value: Any) -> bool:
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _key(sort: type, key: Any, what: str, name: str) -> Any:
    try:
        return sort(key)
    except (TypeError, ValueError):
        raise _other(what, f"{name} with {str(key)[:60]}") from None


def _other(what: str, found: str) -> UserError:
    return UserError(f"job.json: expected the settings of {what}, found {found}; use the version that made the job")
