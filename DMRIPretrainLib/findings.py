"""What a check has found: errors and warnings, each with what to do. Needs the standard library alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Attributes:
        severity: an ``error`` makes work impossible or its results meaningless, a ``warning`` may.
        code: short name for programs, such as ``no-b0``.
        message: one line: what was expected and what was found.
        action: one line: what to do about it.
        where: what it is about, such as the name of a case; empty where that is plain.
    """

    severity: Severity
    code: str
    message: str
    action: str = ""
    where: str = ""

    @staticmethod
    def from_line(severity: Severity, code: str, line: str, where: str = "") -> Finding:
        """A finding from one line such as the messages of ``UserError``, where ``; `` precedes what to do."""
        message, separator, action = line.rpartition("; ")
        return Finding(severity, code, message if separator else line, action if separator else "", where)

    @property
    def text(self) -> str:
        """Message and action in one line, without where."""
        return f"{self.message}; {self.action}" if self.action else self.message

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether one of them is an error."""
    return any(finding.severity == "error" for finding in findings)


def errors_first(findings: Iterable[Finding]) -> list[Finding]:
    """The same in the same order, but errors before warnings."""
    return sorted(findings, key=lambda finding: finding.severity != "error")
