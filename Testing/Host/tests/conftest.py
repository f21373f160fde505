"""The demo module, loaded and open."""

from pathlib import Path
from typing import Any

import pytest

from Testing.Host.fixtures import *  # noqa: F403

DEMO_FOLDER = Path(__file__).parent / "DemoModule"


@pytest.fixture
def demo(host: Any) -> Any:
    """The widget object of the demo module, in the open window."""
    assert host.load(DEMO_FOLDER) == ["Demo"]
    return host.open("Demo")
