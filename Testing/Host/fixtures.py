"""Pytest fixtures: ``from Testing.Host.fixtures import *`` in a ``conftest.py`` makes them known there."""

from collections.abc import Iterator

import pytest

from Testing.Host import graphics
from Testing.Host.host import Host, start

__all__ = ["host", "slicer_host"]


@pytest.fixture(scope="session")
def slicer_host() -> Host:
    """The host of this process, for fixtures of a wider scope; tests take ``host``."""
    missing = graphics.missing()
    if missing:
        pytest.skip(f"the host needs {', '.join(missing)}")
    return start()


@pytest.fixture
def host(slicer_host: Host) -> Iterator[Host]:
    """A freshly reset host; an exception in a slot or an error printed by VTK fails the test.

    A test that provokes such a failure takes it with ``host.exceptions.take()``.
    """
    from Testing.Host.failures import fail_on_hidden

    slicer_host.exceptions.install()
    slicer_host.reset()
    try:
        with fail_on_hidden(slicer_host.exceptions):
            yield slicer_host
            slicer_host.reset()
    finally:
        slicer_host.exceptions.uninstall()
