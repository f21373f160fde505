"""What is published of benchmarks is what was measured."""

from pathlib import Path

import pytest

from DMRIPretrainLib.benchmark.recipe_report import report, short_table
from DMRIPretrainLib.benchmark.results import load_results

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "Testing" / "Benchmarks" / "results"


@pytest.fixture
def recipes() -> dict:
    if not (RESULTS / "recipes.json").is_file():
        pytest.skip("the benchmark of recipes has no results yet")
    return load_results(RESULTS, "recipes")


def test_the_tables_of_recipes_are_made_of_their_numbers(recipes):
    assert (RESULTS / "recipes.md").read_text(encoding="utf-8") == report(recipes).rstrip() + "\n"


def test_readme_shows_the_numbers_of_recipes(recipes):
    assert short_table(recipes) in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_published_comparison_of_recipes_is_complete(recipes):
    assert recipes["progress"]["done"] + recipes["progress"]["failed"] == recipes["progress"]["planned"]
    assert len(recipes["plan"]["seeds"]) >= 3
