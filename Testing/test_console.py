import pytest
from rich.console import Console

from DMRIPretrainLib import console
from DMRIPretrainLib.progress import duration


def shown(content: dict) -> str:
    text = Console(width=120)
    with text.capture() as capture:
        text.print(console.tree("results in [a]", content))
    return capture.get()


def test_square_brackets_are_text_and_no_markup():
    text = shown({"volumes [ml]": {"CSF": 1.5, "note [bold]": "file[1].nii\\"}, "plain [mm]": 2})
    for part in ("results in [a]", "volumes [ml]", "note [bold]: file[1].nii\\", "plain [mm]: 2"):
        assert part in text


def test_an_empty_list_reads_none():
    assert "findings: none" in shown({"findings": []})


@pytest.fixture
def clock(monkeypatch):
    """Seconds that have passed, as ``clock[0]``, where standard error is no terminal."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(console, "messages", Console(force_terminal=False))
    return now


def test_a_log_is_told_once_a_minute_how_far_work_is_and_how_long_it_still_takes(clock, capsys):
    with console.progress_bar("pretraining") as progress:
        for step in range(0, 301):
            clock[0] = float(step)
            progress(f"step {step}", step / 600)
    assert capsys.readouterr().err.splitlines() == [
        "pretraining: 10%, step 60, about 9 min left",
        "pretraining: 20%, step 120, about 8 min left",
        "pretraining: 30%, step 180, about 7 min left",
        "pretraining: 40%, step 240, about 6 min left",
        "pretraining: 50%, step 300, about 5 min left",
    ]


@pytest.mark.parametrize(
    ("first", "second", "seconds", "told"),
    [
        pytest.param(
            0.5, 0.6, 100.0, "benchmark: 60%, second, about 7 min left\n", id="resumed: by what was done since"
        ),
        pytest.param(0.2, 0.2, 70.0, "benchmark: 20%, second\n", id="no time left before anything is done"),
        pytest.param(0.0, 1.0, 59.0, "", id="short work leaves the log alone"),
    ],
)
def test_what_a_log_is_told(clock, capsys, first, second, seconds, told):
    with console.progress_bar("benchmark") as progress:
        progress("first", first)
        clock[0] = seconds
        progress("second", second)
    assert capsys.readouterr().err == told


def test_of_many_processes_the_first_one_speaks(clock, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with console.progress_bar("fine-tuning") as progress:
        clock[0] = 100.0
        progress("step 5", 0.5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0123, "0.012 s"), (3.21, "3.2 s"), (42.4, "42 s"), (300, "5 min"), (9000, "2.5 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
