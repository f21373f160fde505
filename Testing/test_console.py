from rich.console import Console

from DMRIPretrainLib import console


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
