import errno
import json
import os
import time

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs import events as module
from DMRIPretrainLib.jobs.events import EventReader, append_event, end_torn_line, keep_reserve, latest_events


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def numbers(events):
    return [event["number"] for event in events]


def read_all(reader):
    found = reader.read()
    while reader.behind:
        found += reader.read()
    return found


def write_many(path, count, start=0):
    lines = [json.dumps({"time": n, "kind": "metric", "number": n, "text": "x" * 60}) for n in range(start, count)]
    with path.open("a") as file:
        file.write("".join(line + "\n" for line in lines))


def test_a_reader_hands_out_each_event_once(path):
    reader = EventReader(path)
    assert reader.read() == []
    for number in range(3):
        append_event(path, "metric", {"number": number})
    assert numbers(reader.read()) == [0, 1, 2]
    assert reader.read() == []
    append_event(path, "metric", {"number": 3})
    assert numbers(reader.read()) == [3]


@pytest.mark.parametrize("cut", [1, 10, -1])
def test_a_line_that_is_being_written_is_handed_out_when_it_is_whole(path, cut):
    append_event(path, "warning", {"message": "é\u2028 and \n"})
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    reader = EventReader(path)
    assert reader.read() == []
    with path.open("ab") as file:
        file.write(whole[cut:])
    assert [event["message"] for event in reader.read()] == ["é\u2028 and \n"]


def test_long_stories_are_read_piece_by_piece_and_none_is_lost(path):
    write_many(path, 30_000)
    reader = EventReader(path)
    first = reader.read()
    assert 0 < len(first) < 30_000
    assert reader.behind
    assert numbers(first + read_all(reader)) == list(range(30_000))


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_giant_line_is_left_out_without_being_held(path, end):
    write_many(path, 2)
    with path.open("ab") as file:
        file.write(b'{"time": 1, "kind": "metric", "number": 7, "text": "' + b"x" * 5_000_000 + b'"}' + end)
    reader = EventReader(path)
    assert numbers(read_all(reader)) == [0, 1]
    assert len(reader._torn) <= 1_000_000
    with path.open("ab") as file:
        file.write(b"" if end else b"\n")
    write_many(path, 4, start=2)
    assert numbers(read_all(reader)) == [2, 3]


@pytest.mark.parametrize(
    "line", [b"[1, 2]", b"7", b"{}", b'{"kind": 3, "time": 1}', b"\xff\xfe", b"[" * 100_000, b'{"kind": "x"}']
)
def test_what_is_no_event_is_left_out(path, line):
    path.write_bytes(line + b"\n")
    append_event(path, "metric", {"number": 1})
    assert numbers(EventReader(path).read()) == [1]


def test_a_file_that_has_shrunk_is_read_anew(path):
    write_many(path, 5)
    reader = EventReader(path)
    reader.read()
    path.write_bytes(b"")
    assert reader.read() == []
    write_many(path, 1)
    assert numbers(reader.read()) == [0]


@pytest.mark.parametrize("between", [0, 1, 20_000])
def test_the_latest_events_are_found_however_much_follows(path, between):
    append_event(path, "state", {"state": "queued"})
    append_event(path, "state", {"state": "running"})
    write_many(path, between)
    append_event(path, "warning", {"message": 'not "kind": "state" at all'})
    found = latest_events(path, ["state", "warning", "failure"])
    assert found["state"]["state"] == "running"
    assert set(found) == {"state", "warning"}


@pytest.mark.parametrize("shift", range(0, 200, 7))
def test_the_latest_event_is_found_across_the_seam_of_two_blocks(path, shift, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 256)
    append_event(path, "state", {"state": "running", "text": "y" * 100})
    with path.open("ab") as file:
        file.write(b" " * shift + b"\n")
    write_many(path, 3)
    assert latest_events(path, ["state"])["state"]["state"] == "running"


def test_a_torn_last_event_does_not_count(path):
    append_event(path, "state", {"state": "running"})
    append_event(path, "state", {"state": "finished"})
    path.write_bytes(path.read_bytes()[:-5])
    assert latest_events(path, ["state"])["state"]["state"] == "running"


def test_last_words_are_written_on_a_full_disk(path, monkeypatch):
    """A stand-in for a file system with 100 kB: a write of ours fails unless the reserve was given back."""
    keep_reserve(path)
    reserve = path.with_name(".reserve")
    assert reserve.stat().st_size > 10_000
    write = os.write

    def full(descriptor, data):
        if reserve.exists():
            write(descriptor, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    append_event(path, "failure", {"code": "disk-full"})
    assert [event["code"] for event in EventReader(path).read()] == ["disk-full"]
    assert not reserve.exists()


def test_without_a_reserve_the_reason_is_told(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(UserError, match="No space left on device"):
        append_event(path, "state", {"state": "running"})


def test_events_are_not_written_through_links(path, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    path.symlink_to(precious)
    with pytest.raises(UserError, match="cannot be written"):
        append_event(path, "state", {"state": "running"})
    assert precious.read_text() == "mine"


def test_a_torn_line_is_ended_once(path):
    end_torn_line(path)
    assert not path.exists()
    path.write_bytes(b'{"half')
    end_torn_line(path)
    end_torn_line(path)
    assert path.read_bytes() == b'{"half\n'


def test_looking_at_a_long_story_is_cheap(tmp_path):
    """A generous bound on what ``Testing/Benchmarks/job_watching.py`` measures."""
    path = tmp_path / "events.jsonl"
    append_event(path, "state", {"state": "running"})
    write_many(path, 100_000)
    begun = time.perf_counter()
    assert latest_events(path, ["state", "failure"])["state"]["state"] == "running"
    assert time.perf_counter() - begun < 1.0
