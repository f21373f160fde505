"""Lists and dictionaries that write themselves into the parameter node when they are changed."""

from collections.abc import Callable
from typing import Any


def _telling(name: str, base: type) -> Callable[..., Any]:
    original = getattr(base, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if self._changed is not None:
            self._changed(self)
        return self if name.startswith("__i") and name != "__init__" else result

    return method


def _make(name: str, base: type, changing: str) -> type:
    members: dict[str, Any] = {method: _telling(method, base) for method in changing.split()}
    members["_changed"] = None
    return type(name, (base,), members)


ObservedList = _make(
    "ObservedList",
    list,
    "append extend insert remove pop clear sort reverse __setitem__ __delitem__ __iadd__ __imul__",
)
ObservedDict = _make("ObservedDict", dict, "update pop popitem clear setdefault __setitem__ __delitem__ __ior__")
