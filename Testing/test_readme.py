"""README names what is there: files, controls of the module, messages, commands."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Text of a section, up to the next heading of the same level."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[2]


def rows(text: str) -> list[list[str]]:
    """Cells of the tables of a text, without heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if not set("".join(row)) <= set("-| ")]


@cache
def sources() -> str:
    """All that the program may say, with the strings of an expression joined."""
    files = [path for folder in ("DMRIPretrain", "DMRIPretrainLib", ".ci") for path in (ROOT / folder).rglob("*")]
    files += [ROOT / "Makefile", ROOT / "Testing/Host/graphics.py", ROOT / "Testing/scene/test_environment.py"]
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".ui", ".sh", "")
             and path.is_file()]  # fmt: skip
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http|#)([^)]+)\)", README))))
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_control_is_one_of_the_module() -> None:
    texts = sources()
    named = [
        name for row in rows(section("The module, control by control")) for name in re.findall(r"\*([^*]+)\*", row[1])
    ]
    assert len(named) > 50
    missing = [name for name in named if not re.search(rf'[>"]{re.escape(name)}:?[<"]', texts)]
    assert missing == []


def test_every_message_is_one_of_the_program() -> None:
    texts = sources()
    messages = [
        text.strip() for row in rows(section("If something goes wrong")) for text in re.findall(r"`([^`]+)`", row[0])
    ]
    assert len(messages) > 15
    assert [text for text in messages if text not in texts] == []


def test_every_folder_of_the_library_is_in_the_layout() -> None:
    layout = README[README.index("### Layout") :]
    folders = [path.parent.name for path in (ROOT / "DMRIPretrainLib").glob("*/__init__.py")]
    assert [name for name in folders if f"`{name}`" not in layout and f"/{name}`" not in layout] == []
