"""What tests of the training panel do again and again."""

from pathlib import Path
from typing import Any

from Testing.Host import pointer


def import_study(host: Any, train: Any, study: Path, labels: Path | None) -> None:
    host.dialogs.answer("folder", str(study))
    host.dialogs.answer("folder", str(labels) if labels else "")
    pointer.click(train.ui.importFolderButton)


def quick(train: Any, steps: int = 4, interval: int = 2) -> None:
    """Few steps of a small network on a CPU."""
    train.ui.stepsBox.setValue(steps)
    train.ui.intervalBox.setValue(interval)
    train.ui.batchBox.setValue(1)
    train.ui.patchBox.setCurrentText("16")
    train.ui.trainDeviceBox.setCurrentIndex(1)
