"""The panels of the module DMRIPretrain: one file each, and what they share.

They stand in a package of their own because Slicer takes every file directly in a module's folder for a module.
"""


def panelClasses():
    """The panels, in the order in which they are shown."""
    from .compare_panel import ComparePanel
    from .predict_panel import PredictPanel
    from .scan_panel import ScanPanel
    from .setup_panel import SetUpPanel
    from .train_panel import TrainPanel
    from .view_panel import ViewPanel

    return (SetUpPanel, ScanPanel, PredictPanel, ViewPanel, TrainPanel, ComparePanel)
