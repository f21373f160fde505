from dataclasses import dataclass
from typing import Any

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import plain_json
from DMRIPretrainLib.jobs.settings import settings_from_json, settings_to_json


@dataclass(frozen=True)
class Example:
    cases: str
    tasks: tuple[str, ...]
    names: dict[int, str] | None = None
    options: dict[str, Any] | None = None
    labels: str | None = None
    steps: int = 3
    rate: float = 0.5
    skips: bool = True


FULL = Example("a", ("b", "c"), {4: "spot"}, {"x": [1]}, "d", 7, 1.0, False)


@pytest.mark.parametrize("settings", [FULL, Example("a", ())])
def test_settings_survive_json(settings):
    content = plain_json(settings_to_json(settings, "finetune"))
    assert content["kind"] == "finetune"
    assert settings_from_json(Example, content, "a job") == settings


@pytest.mark.parametrize(
    "change",
    [
        {"steps": "many"},
        {"steps": True},
        {"steps": 1.5},
        {"cases": None},
        {"cases": ["a"]},
        {"tasks": "segmentation"},
        {"tasks": [1]},
        {"names": {"x": "y"}},
        {"names": {"1": 2}},
        {"rate": "fast"},
        {"skips": 1},
        {"unheard": 1},
        {"__class__": "os.system"},
    ],
)
def test_other_types_and_names_are_refused(change):
    content = plain_json(settings_to_json(FULL, "finetune")) | change
    with pytest.raises(UserError, match=r"job\.json: expected the settings of a job, found"):
        settings_from_json(Example, content, "a job")


def test_missing_entries_are_refused():
    with pytest.raises(UserError, match="tasks"):
        settings_from_json(Example, {"cases": "a"}, "a job")
