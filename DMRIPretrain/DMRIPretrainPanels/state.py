"""What is known, and what may be pressed: plain Python, without Qt and Slicer, so that it can be tested alone."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Facts:
    """All that decides what is enabled."""

    def but(self, **changes):
        """The same with some facts changed."""
        return replace(self, **changes)
