"""What all panels have in common."""

import slicer


class Panel:
    """One section of the module, from a ``.ui`` file of its own.

    Subclasses name their file in ``UI`` and override what they need. Widgets with a ``SlicerParameterName`` are bound
    to the parameter node by themselves.

    Args:
        session: what the panels share.
        parent: a widget with a layout, where the panel is added.
    """

    UI = ""

    def __init__(self, session, parent):
        self.session = session
        self.widget = slicer.util.loadUI(session.resourcePath(f"UI/{self.UI}"))
        parent.layout().addWidget(self.widget)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self._guiTag = None
        self.setup()
        session.listen(self.refresh)

    def setup(self):
        """Connect signals; called once."""

    def refresh(self):
        """Show what is known; called after every change, so it must be cheap."""

    def enter(self):
        """The user opens the module."""

    def sceneAboutToClose(self):
        """Let go of all nodes."""

    def cleanup(self):
        """The module is unloaded or reloaded: stop timers, let go of nodes, leave processes alone."""

    def connectParameters(self):
        """Bind widgets to ``session.parameterNode``."""
        self._guiTag = self.session.parameterNode.connectGui(self.ui)

    def disconnectParameters(self):
        """End that."""
        self.session.parameterNode.disconnectGui(self._guiTag)
        self._guiTag = None
