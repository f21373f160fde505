"""What a user chooses among, with the words that are shown."""

from enum import Enum

from slicer.i18n import tr as _


class Device(Enum):
    """What to compute on; the values are those of ``--device``."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"

    def label(self):
        """Shown in the list of choices."""
        return {"auto": _("Automatic"), "cpu": _("Processor (CPU)"), "cuda": _("Graphics card (CUDA)")}[self.value]
