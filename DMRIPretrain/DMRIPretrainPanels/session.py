"""What the panels share, and how they tell each other."""

from .results import Results
from .state import Facts


class Session:
    """One for each opened module.

    Panels change what they know with ``tell``, and read what is allowed from ``facts``; each of them is refreshed then.

    Args:
        resourcePath: returns the path of a file in the module's resources.

    Attributes:
        parameterNode: what is saved with the scene; None while the scene closes or the module is left.
        facts: what is known, see ``state``.
        results: what was predicted, in the scene.
        comparePanel: the panel that compares results; None before it is there.
    """

    def __init__(self, resourcePath):
        self.resourcePath = resourcePath
        self.parameterNode = None
        self.facts = Facts()
        self.results = Results()
        self.comparePanel = None
        self._listeners = []
        self._telling = False

    def listen(self, listener):
        """Call a function whenever something has changed."""
        self._listeners.append(listener)

    def tell(self, **facts):
        """Change facts, by name, and refresh the panels."""
        self.facts = self.facts.but(**facts)
        self.changed()

    def changed(self):
        """Refresh the panels; what they change thereby leads to no second round."""
        if self._telling:
            return
        self._telling = True
        try:
            for listener in self._listeners:
                listener()
        finally:
            self._telling = False
