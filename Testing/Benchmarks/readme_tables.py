"""Puts what was published of benchmarks into README: ``python -m Testing.Benchmarks.readme_tables``.

They stand between ``<!-- NAME KIND -->`` and ``<!-- end -->``: NAME is that of a benchmark, KIND ``table`` or ``aims``.
"""

import re
from pathlib import Path

from DMRIPretrainLib.benchmark import baseline_report, recipe_report, speed_report
from DMRIPretrainLib.benchmark.results import Aim, aims_table, load_results

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "Testing" / "Benchmarks" / "results"
README = REPOSITORY / "README.md"
REPORTS = {"recipes": recipe_report, "baselines": baseline_report, "speed": speed_report}
PLACE = re.compile(r"<!-- (?P<name>\w+) (?P<kind>table|aims) -->\n.*?<!-- end -->", re.DOTALL)


def with_tables(text: str) -> str:
    """The text with the tables of today."""
    return PLACE.sub(lambda place: _table(place["name"], place["kind"]), text)


def _table(name: str, kind: str) -> str:
    results = load_results(RESULTS, name)
    aims = aims_table(Aim(**aim) for aim in results["aims"])
    table = aims if kind == "aims" else REPORTS[name].short_table(results)
    return f"<!-- {name} {kind} -->\n{table}<!-- end -->"


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
