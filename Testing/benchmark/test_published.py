"""What is published of benchmarks is what was measured."""

import pytest

from DMRIPretrainLib.benchmark.results import load_results
from Testing.Benchmarks.readme_tables import PLACE, README, REPORTS, RESULTS, with_tables


@pytest.mark.parametrize("name", REPORTS)
def test_published_tables_are_made_of_published_numbers(name):
    expected = REPORTS[name].report(load_results(RESULTS, name)).rstrip() + "\n"
    assert (RESULTS / f"{name}.md").read_text(encoding="utf-8") == expected


def test_readme_shows_published_numbers_and_which_aims_are_not_reached():
    text = README.read_text(encoding="utf-8")
    shown = {(place["name"], place["kind"]) for place in PLACE.finditer(text)}
    assert shown == {(name, "table") for name in REPORTS} | {("recipes", "aims"), ("speed", "aims")}
    assert with_tables(text) == text, "run python -m Testing.Benchmarks.readme_tables"


def test_the_published_comparison_of_recipes_is_complete():
    recipes = load_results(RESULTS, "recipes")
    assert recipes["progress"]["done"] + recipes["progress"]["failed"] == recipes["progress"]["planned"]
    assert len(recipes["plan"]["seeds"]) >= 3
