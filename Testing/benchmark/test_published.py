"""What is published of benchmarks is what was measured."""

import pytest

from Testing.Benchmarks.readme_tables import PLACE, PUBLISHED, README, with_tables


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_tables_are_made_of_published_numbers(name):
    published = PUBLISHED[name]
    expected = published.report.report(published.results()).rstrip() + "\n"
    assert published.path.with_suffix(".md").read_text(encoding="utf-8") == expected


def test_readme_shows_published_numbers_and_which_aims_are_not_reached():
    text = README.read_text(encoding="utf-8")
    shown = {(place["name"], place["kind"]) for place in PLACE.finditer(text)}
    assert shown == {(name, "table") for name in PUBLISHED} | {("recipes", "aims"), ("speed", "aims")}
    assert with_tables(text) == text, "run python -m Testing.Benchmarks.readme_tables"


@pytest.mark.parametrize("name", ["recipes", "bvm"])
def test_the_published_comparison_of_recipes_is_complete(name):
    recipes = PUBLISHED[name].results()
    assert recipes["progress"]["done"] + recipes["progress"]["failed"] == recipes["progress"]["planned"]
    assert len(recipes["plan"]["seeds"]) >= 3
