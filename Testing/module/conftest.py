"""The module, opened in the host."""

from pathlib import Path
from typing import Any

import pytest

from Testing.Host.fixtures import *  # noqa: F403

MODULE = Path(__file__).resolve().parents[2] / "DMRIPretrain"


@pytest.fixture
def module(host: Any) -> Any:
    host.load(MODULE)
    return host.open("DMRIPretrain")
