"""What may be pressed when: every rule alone, without Qt."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).resolve().parents[2] / "DMRIPretrain" / "DMRIPretrainPanels" / "state.py"


@pytest.fixture(scope="module")
def ready() -> Any:
    """Facts with which a prediction may be started."""
    spec = importlib.util.spec_from_file_location("state_alone", PATH)
    assert spec is not None
    assert spec.loader is not None
    state = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = state
    spec.loader.exec_module(state)
    return state.Facts(scan=True, model=True)


def test_all_is_there(ready: Any) -> None:
    assert ready.canPredict
    assert ready.canCheck
    assert not ready.canInstall
    assert not ready.canCancel
    assert not ready.canRepair


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        ({"missing": ("torch",)}, "packages"),
        ({"installing": True}, "packages"),
        ({"scan": False}, "scan"),
        ({"scanProblem": "no gradients"}, "problem"),
        ({"model": False}, "model"),
        ({"job": "preparing"}, "work"),
        ({"job": "stopping"}, "work"),
        ({"job": "failed"}, ""),
        ({"job": "finished"}, ""),
        ({"check": "wrong"}, ""),
    ],
)
def test_what_keeps_from_predicting(ready: Any, change: dict[str, Any], obstacle: str) -> None:
    assert ready.but(**change).obstacle == obstacle


@pytest.mark.parametrize(
    ("job", "cancel"), [("preparing", False), ("queued", True), ("running", True), ("stopping", False), ("lost", False)]
)
def test_only_what_runs_can_be_cancelled_and_once(ready: Any, job: str, cancel: bool) -> None:
    assert ready.but(job=job).canCancel is cancel


def test_packages_are_not_replaced_under_a_job(ready: Any) -> None:
    lacking = ready.but(missing=("dipy",))
    assert lacking.canInstall
    assert not lacking.but(job="running").canInstall
    assert not lacking.but(examining=True).canInstall


def test_gradients_are_repaired_only_when_they_are_wrong(ready: Any) -> None:
    assert ready.but(check="wrong").canRepair
    assert not ready.but(check="uncertain").canRepair
    assert not ready.but(check="wrong", job="running").canRepair
    assert not ready.but(check="running").canCheck
