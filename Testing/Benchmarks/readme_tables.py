"""Puts what was published of benchmarks into README: ``python -m Testing.Benchmarks.readme_tables``.

They stand between ``<!-- NAME KIND -->`` and ``<!-- end -->``: NAME is in ``PUBLISHED``, KIND ``table`` or ``aims``.
"""

import re
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from DMRIPretrainLib.benchmark import baseline_report, recipe_report, speed_report
from DMRIPretrainLib.benchmark.results import Aim, aims_table, load_results

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "Testing" / "Benchmarks" / "results"
README = REPOSITORY / "README.md"
PLACE = re.compile(r"<!-- (?P<name>\w+) (?P<kind>table|aims) -->\n.*?<!-- end -->", re.DOTALL)


class Published(NamedTuple):
    """Where the results of a benchmark are.

    Attributes:
        report: module that makes its tables.
        path: without the suffixes ``.json`` and ``.md``.
    """

    report: ModuleType
    path: Path

    def results(self) -> dict[str, Any]:
        """Its numbers."""
        return load_results(self.path.parent, self.path.name)


PUBLISHED = {
    "recipes": Published(recipe_report, RESULTS / "recipes"),
    "bvm": Published(recipe_report, RESULTS / "bvm" / "recipes"),
    "baselines": Published(baseline_report, RESULTS / "baselines"),
    "speed": Published(speed_report, RESULTS / "speed"),
}


def with_tables(text: str) -> str:
    """The text with the tables of today."""
    return PLACE.sub(lambda place: _table(place["name"], place["kind"]), text)


def _table(name: str, kind: str) -> str:
    published = PUBLISHED[name]
    results = published.results()
    aims = aims_table(Aim(**aim) for aim in results["aims"])
    table = aims if kind == "aims" else published.report.short_table(results)
    return f"<!-- {name} {kind} -->\n{table}<!-- end -->"


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
