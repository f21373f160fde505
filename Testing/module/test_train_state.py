"""What may be pressed in the training panel, and the files and settings it makes: without a window."""

import csv
import importlib.util
import sys
import types
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from DMRIPretrainLib.networks.model import NETWORKS
from DMRIPretrainLib.pretext.registry import RECIPES
from DMRIPretrainLib.training.settings import FinetuneSettings, PretrainSettings

PANELS = Path(__file__).resolve().parents[2] / "DMRIPretrain" / "DMRIPretrainPanels"


@pytest.fixture(scope="module")
def panels() -> Any:
    """The plain Python files of the panels, in a package of another name so that the window's are left alone."""
    package = types.ModuleType("plain_panels")
    package.__path__ = [str(PANELS)]
    sys.modules["plain_panels"] = package
    for name in ("state", "train_state", "cases", "training_jobs"):
        spec = importlib.util.spec_from_file_location(f"plain_panels.{name}", PANELS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        setattr(package, name, module)
    yield package
    for name in [name for name in sys.modules if name.startswith("plain_panels")]:
        del sys.modules[name]


def test_what_keeps_from_training(panels: Any) -> None:
    facts = panels.train_state.TrainFacts()
    assert facts.obstacle == "packages"
    facts = facts.but(ready=True)
    assert facts.obstacle == "cases"
    assert facts.but(mode="pretrain").canTrain
    facts = facts.but(cases=2, labelled=1)
    assert (facts.obstacle, facts.canLabel, facts.canCheck) == ("labels", True, False)
    facts = facts.but(labelled=2)
    assert facts.canTrain
    assert facts.canCheck
    assert not facts.canLabel
    assert facts.but(start=False).obstacle == "start"
    assert facts.but(mixed=True).obstacle == "mixed"
    for busy in ("preparing", "checking", "labelling"):
        assert facts.but(**{busy: True}).obstacle == "busy"
        assert not facts.but(**{busy: True}).canEdit
    assert facts.but(training=True).obstacle == "work"


@pytest.mark.parametrize(
    ("state", "stop", "resume", "clean"),
    [
        ("", False, False, False),
        ("queued", True, False, False),
        ("running", True, False, False),
        ("stopping", False, False, False),
        ("stopped", False, True, True),
        ("failed", False, True, True),
        ("lost", False, True, True),
        ("finished", False, False, True),
    ],
)
def test_what_may_be_done_with_a_job(panels: Any, state: str, stop: bool, resume: bool, clean: bool) -> None:
    facts = panels.train_state.TrainFacts(ready=True, job=state, kind="finetune")
    assert (facts.canStop, facts.canResume, facts.canClean) == (stop, resume, clean)
    assert not facts.canUse
    assert not facts.but(training=True).canResume


def test_models_of_trainings_alone_are_used_and_compared(panels: Any) -> None:
    facts = panels.train_state.TrainFacts(ready=True, job="finished", kind="finetune", model=True)
    assert facts.canUse
    assert not facts.canCompare
    assert facts.but(scan=True).canCompare
    assert not facts.but(scan=True, comparing=True).canCompare
    assert not facts.but(kind="pretrain", scan=True).canUse


def test_the_table_has_the_columns_that_are_used(panels: Any, tmp_path: Path) -> None:
    rows = [
        {"scan": "a.nrrd", "segmentation": "a,1.nii.gz", "subject": "a", "split": ""},
        {"scan": "b.nrrd", "labels": "b", "subject": "", "split": ""},
    ]
    panels.cases.writeTable(tmp_path / "sub" / "cases.csv", rows)
    with (tmp_path / "sub" / "cases.csv").open() as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == ["scan", "labels", "segmentation", "subject"]
    assert read[0]["segmentation"] == "a,1.nii.gz"
    assert read[1]["labels"] == "b"


def test_segments_of_one_name_have_one_value_in_all_cases(panels: Any) -> None:
    values = panels.cases.labelValues
    assert values([[("WM", 1), ("CSF", 2)]]) == ({"WM": 3, "CSF": 1}, None)
    own = {"tumour": 4, "oedema": 2}
    assert values([[("tumour", 4)], [("oedema", 2), ("tumour", 4)]]) == (own, {4: "tumour", 2: "oedema"})
    # As the Segment Editor leaves them: all have the value 1, or another one in each case.
    alike = {"tumour": 1, "oedema": 2}
    assert values([[("tumour", 1), ("oedema", 1)]]) == (alike, {1: "tumour", 2: "oedema"})
    assert values([[("tumour", 1), ("oedema", 2)], [("tumour", 2), ("oedema", 1)]])[0] == alike
    assert values([]) == ({}, {})


def test_specifications_are_those_of_the_command_line(panels: Any, tmp_path: Path) -> None:
    jobs = panels.training_jobs
    settings = FinetuneSettings("", ("segmentation",), start="shipped", steps=20, interval=50, device="cpu")
    made = jobs.finetuneSpecification(settings, tmp_path / "cases.csv", {2: "lesion"})
    rebuilt = FinetuneSettings.from_json(made)
    assert rebuilt.to_json() == made
    assert (rebuilt.start, rebuilt.network, rebuilt.interval) == ("tiny", "tiny", 20)
    assert len(rebuilt.start_sha256) == 64
    own = replace(settings, start="scratch", network="bvm")
    scratch = jobs.finetuneSpecification(own, tmp_path / "cases.csv")
    assert (scratch["start"], scratch["network"], scratch["start_sha256"]) == ("scratch", "bvm", None)
    pretraining = jobs.pretrainSpecification(own, "masked", "")
    rebuilt = PretrainSettings.from_json(pretraining)
    assert (rebuilt.data, rebuilt.network, rebuilt.interval) == (("simulated",), "bvm", 20)


def test_choices_are_those_of_the_library(panels: Any) -> None:
    assert set(panels.training_jobs.NETWORKS) == set(NETWORKS)
    assert set(panels.training_jobs.RECIPES) == set(RECIPES)


def test_jobs_have_folders_of_their_own(panels: Any, tmp_path: Path) -> None:
    folder = panels.training_jobs.jobFolder
    now = datetime(2030, 1, 2, 3, 4, 5)
    assert folder(tmp_path, "", "labels", now).name == "labels 2030-01-02 03-04-05"
    (tmp_path / "a_b").mkdir()
    assert folder(tmp_path, "a/b", "x").name == "a_b 2"
    assert folder(tmp_path, "../..", "x", now).parent == tmp_path
