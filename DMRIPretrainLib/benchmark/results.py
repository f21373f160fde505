"""Results of a benchmark on disk: JSON for programs, Markdown for people, and what they were made with and on."""

import math
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..computer.hardware import main_memory, usable_cores
from ..errors import UserError
from ..files import atomic_path, plain_json, write_json
from ..jobs.folder import read_json
from ..jobs.versions import library_versions

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Aim:
    """What a benchmark should show, and what it shows.

    Attributes:
        name: what is compared.
        aim: what was hoped for.
        found: what was measured.
        reached: whether that is enough; None where it was not measured.
    """

    name: str
    aim: str
    found: str
    reached: bool | None

    @property
    def verdict(self) -> str:
        """Of the aim, for a table."""
        return {True: "reached", False: "**not reached**", None: "not measured"}[self.reached]


def provenance(command: str) -> dict[str, Any]:
    """What a benchmark was made with and on: no name of a computer, no paths.

    Args:
        command: that makes it again.
    """
    memory = main_memory()
    return {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "revision": _revision(),
        "versions": library_versions(),
        "machine": {
            "processor": _processor(),
            "cores": usable_cores(),
            "memory_gb": round(memory.total / 1e9) if memory else None,
            "gpu": _gpu(),
        },
    }


def write_results(folder: Path, name: str, content: dict[str, Any], markdown: str) -> None:
    """Write ``NAME.json`` and ``NAME.md``.

    Args:
        folder: where to; is made if need be.
        name: of the benchmark.
        content: its numbers, with its :func:`provenance`.
        markdown: the same for people.

    Raises:
        UserError: if they cannot be written.
    """
    write_json(folder / f"{name}.json", {"schema_version": SCHEMA_VERSION, "benchmark": name, **content})
    with atomic_path(folder / f"{name}.md") as temporary:
        temporary.write_text(markdown.rstrip() + "\n", encoding="utf-8")


def load_results(folder: Path, name: str) -> dict[str, Any]:
    """What :func:`write_results` wrote to ``NAME.json``.

    Raises:
        UserError: if it is not there, or of another version.
    """
    path = folder / f"{name}.json"
    content = read_json(path, f"results of the benchmark {name}")
    if (content.get("schema_version"), content.get("benchmark")) != (SCHEMA_VERSION, name):
        raise UserError(
            f"{path}: expected results of the benchmark {name}, version {SCHEMA_VERSION}, found others; make them "
            f"again with dmri-pretrain benchmark {name}"
        )
    return content


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def aims_table(aims: Iterable[Aim]) -> str:
    """Aims in Markdown, those that are not reached as well."""
    rows = [(aim.name, aim.aim, aim.found, aim.verdict) for aim in aims]
    return markdown_table(("what", "aim", "found", "verdict"), rows)


def aims_json(aims: Iterable[Aim]) -> list[dict[str, Any]]:
    """Aims as plain JSON types."""
    return plain_json([asdict(aim) for aim in aims])


def provenance_lines(made: dict[str, Any]) -> str:
    """What :func:`provenance` returned, in Markdown."""
    machine, versions = made["machine"], made["versions"]
    memory = f", {machine['memory_gb']} GB of memory" if machine["memory_gb"] else ""
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "system")
    return (
        f"Made by `{made['command']}` at revision {made['revision'] or 'unknown'}, {made['date']}; "
        f"{machine['processor']}, {machine['cores']} cores{memory}, GPU: {machine['gpu'] or 'none'}; {packages}.\n"
    )


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _revision() -> str | None:
    """The revision of the checkout that runs, with + where it was changed since; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _output(["git", "-C", str(root), "rev-parse", "--short", "HEAD"])
        # Results that were written a moment ago change nothing of how they are made.
        others = ["--", ".", ":!Testing/Benchmarks/results"]
        changed = _output(["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no", *others])
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed else "")


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _processor() -> str:
    """The kind of processor, as far as the system tells."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
