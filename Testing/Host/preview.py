"""A desktop window with a module in it, for developers: ``make preview``."""

import argparse
import os
import sys
from pathlib import Path

from Testing.Host.host import Host, HostUnavailableError, start

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = Path(__file__).parent / "tests" / "DemoModule"


def main(arguments: list[str] | None = None) -> int:
    """Show a module until the window is closed, or write a screenshot of it; 2 where that cannot be done."""
    parser = argparse.ArgumentParser(prog="preview", description="Show a scripted module in a stand-in for 3D Slicer.")
    parser.add_argument("folder", nargs="?", type=Path, help="folder of the module (default: DMRIPretrain, or a demo)")
    parser.add_argument("--load", type=Path, help="a volume, segmentation, model or scene to load first")
    parser.add_argument("--screenshot", type=Path, help="write a picture of the window and end")
    options = parser.parse_args(arguments)
    folder = options.folder or _default_folder()
    if not options.screenshot and sys.platform.startswith("linux") and not _has_screen():
        return _complain("there is no screen: set DISPLAY, or ask for --screenshot window.png")
    try:
        host = start()
    except HostUnavailableError as error:
        return _complain(str(error))
    names = host.load(folder)
    if not names:
        return _complain(f"{folder} holds no module")
    return _show(host, names[0], options.load, options.screenshot)


def _show(host: Host, name: str, file: Path | None, screenshot: Path | None) -> int:
    import slicer

    host.dialogs.interactive = screenshot is None
    host.open(name)
    if file is not None:
        slicer.util.loadNodeFromFile(str(file))
    if screenshot is not None:
        host.screenshot(screenshot)
        return 0
    return int(host.qt_application.exec())


def _default_folder() -> Path:
    module = REPOSITORY / "DMRIPretrain"
    return module if (module / "DMRIPretrain.py").is_file() else DEMO


def _has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _complain(text: str) -> int:
    sys.stderr.write(f"preview: {text}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
