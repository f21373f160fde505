import json
import multiprocessing
import time
from pathlib import Path

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.folder import JobFolder


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "study" / "job")
    folder.create({"task": "segmentation", "seed": 3, "cases": [Path("a.nii.gz")]})
    return folder


def test_the_specification_is_kept_with_a_schema_version(job: JobFolder) -> None:
    assert json.loads((job.path / "job.json").read_text())["schema_version"] == 2
    assert JobFolder(job.path).specification() == {"task": "segmentation", "seed": 3, "cases": ["a.nii.gz"]}


def test_a_job_is_not_overwritten(job: JobFolder) -> None:
    before = (job.path / "job.json").read_bytes()
    with pytest.raises(UserError, match="resume"):
        job.create({"task": "other"})
    assert (job.path / "job.json").read_bytes() == before


def test_a_job_that_failed_before_its_first_checkpoint_may_be_started_again(job: JobFolder) -> None:
    job.append("state", state="failed")
    job.create({"task": "mended"})
    assert job.specification() == {"task": "mended"}
    job.checkpoints.mkdir()
    (job.checkpoints / "last.ckpt").touch()
    with pytest.raises(UserError, match="resume"):
        job.create({"task": "other"})


def test_resuming_keeps_the_specification_and_events_and_withdraws_the_stop(job: JobFolder) -> None:
    job.append("state", state="stopped")
    job.request_stop()
    job.create({"task": "other"}, resume=True)
    assert job.specification()["task"] == "segmentation"
    assert job.told_state() == "stopped"
    assert not job.stop_requested()


def test_resuming_where_there_is_no_job_starts_one(tmp_path: Path) -> None:
    JobFolder(tmp_path).create({"task": "crossings"}, resume=True)
    assert JobFolder(tmp_path).specification() == {"task": "crossings"}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"schema_version": 99, "specification": {}}'],
    ids=lambda text: text[:20] or "empty",
)
def test_a_description_that_cannot_be_used_is_refused(job: JobFolder, content: str) -> None:
    (job.path / "job.json").write_text(content)
    with pytest.raises(UserError, match=r"job\.json"):
        job.create({}, resume=True)


def test_a_folder_without_a_job_has_no_specification_state_or_events(tmp_path: Path) -> None:
    job = JobFolder(tmp_path / "missing")
    with pytest.raises(UserError, match=r"job\.json"):
        job.specification()
    with pytest.raises(UserError, match="check the path"):
        job.request_stop()
    with pytest.raises(UserError, match=r"events\.jsonl"):
        job.append("warning", message="lost")
    assert job.told_state() is None
    assert job.read_events() == []
    assert not job.path.exists()


def test_events_come_back_in_order_with_time_and_fields(job: JobFolder) -> None:
    start = time.time()
    job.append("state", state="running")
    job.append("metric", name="dice", value=float("nan"))
    job.append("warning", message="low SNR:\né = 3\u2028")
    events = job.read_events()
    assert [event["kind"] for event in events] == ["state", "metric", "warning"]
    assert events[1]["value"] is None, "JSON has no NaN"
    assert events[2]["message"] == "low SNR:\né = 3\u2028"
    times = [event["time"] for event in events]
    assert start - 1 <= times[0] <= times[1] <= times[2] <= time.time() + 1


def test_every_line_is_strict_json(job: JobFolder) -> None:
    job.append("progress", fraction=float("inf"), message="one\ntwo")
    (line,) = job.events_path.read_text().splitlines()
    json.loads(line, parse_constant=pytest.fail)


def test_the_state_is_the_last_one_told(job: JobFolder) -> None:
    for state in ("running", "stopped", "running"):
        job.append("state", state=state)
        job.append("progress", fraction=0.5)
    assert job.told_state() == "running"


def test_an_unknown_kind_of_event_is_a_programming_error(job: JobFolder) -> None:
    with pytest.raises(ValueError, match="finished"):
        job.append("finished")  # type: ignore[arg-type]
    assert not job.events_path.exists()


@pytest.mark.parametrize("kept", [1, 20, -4, -2])
def test_a_torn_last_line_is_left_out_and_harms_no_later_event(job: JobFolder, kept: int) -> None:
    job.append("state", state="running")
    whole = job.events_path.read_bytes()
    job.append("warning", message="é" * 10)
    last = job.events_path.read_bytes()[len(whole) :]
    job.events_path.write_bytes(whole + last[:kept])
    assert [event["kind"] for event in job.read_events()] == ["state"]

    job.create({}, resume=True)
    job.append("state", state="stopped")
    assert [event["kind"] for event in job.read_events()] == ["state", "state"]
    assert job.told_state() == "stopped"


def _append_many(path: Path, writer: int) -> None:
    for number in range(200):
        JobFolder(path).append("metric", writer=writer, number=number, text="x" * 3000)


def test_several_writers_never_mix_their_lines_and_a_reader_never_sees_a_broken_one(job: JobFolder) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(job.path, writer)) for writer in range(3)]
    for process in writers:
        process.start()
    while any(process.is_alive() for process in writers):
        numbers = [event["number"] for event in job.read_events() if event["writer"] == 0]
        assert numbers == list(range(len(numbers)))
        time.sleep(0.01)
    assert [process.exitcode for process in writers] == [0, 0, 0]
    events = job.read_events()
    assert len(events) == len(job.events_path.read_bytes().splitlines()) == 600
    for writer in range(3):
        assert [event["number"] for event in events if event["writer"] == writer] == list(range(200))


def test_a_request_to_stop_is_seen_from_another_place(job: JobFolder) -> None:
    assert not JobFolder(job.path).stop_requested()
    job.request_stop()
    job.request_stop()
    assert JobFolder(job.path).stop_requested()
