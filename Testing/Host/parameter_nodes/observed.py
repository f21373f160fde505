"""Lists and dictionaries that write themselves into the parameter node when they are changed."""

from collections.abc import Callable
from typing import Any


def _telling(name: str, base: type) -> Callable[..., Any]:
    original = getattr(base, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        tried = base(self)
        original(tried, *args, **kwargs)
        self._check(tried)  # raises for what is not allowed, and then nothing has changed
        result = original(self, *args, **kwargs)
        self._changed(self)
        return self if name.startswith("__i") else result

    return method


def _make(name: str, base: type, changing: str) -> type:
    members: dict[str, Any] = {method: _telling(method, base) for method in changing.split()}

    def __init__(self: Any, value: Any, check: Callable[[Any], None], changed: Callable[[Any], None]) -> None:
        base.__init__(self, value)
        self._check, self._changed = check, changed

    return type(name, (base,), {**members, "__init__": __init__})


ObservedList = _make(
    "ObservedList",
    list,
    "append extend insert remove pop clear sort reverse __setitem__ __delitem__ __iadd__ __imul__",
)
ObservedDict = _make("ObservedDict", dict, "update pop popitem clear setdefault __setitem__ __delitem__ __ior__")
