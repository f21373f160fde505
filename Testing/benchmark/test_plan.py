"""What the benchmark of recipes compares."""

from typing import get_type_hints

import pytest

from DMRIPretrainLib.benchmark.plan import QUICK, STARTS, Plan, Run, reference_of
from DMRIPretrainLib.cli_benchmark import recipes
from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.files import plain_json
from DMRIPretrainLib.pretext.registry import RECIPES


def test_every_recipe_and_the_seeds_network_are_compared_with_three_seeds():
    plan = Plan()
    runs = list(plan.runs())
    assert len(runs) == len(set(runs)) == len(STARTS) * 4 * 3
    assert {run.recipe for run in runs} == {None, *RECIPES}
    assert plan.network_of(Run("bvm-distortion", 1, 0)) == "bvm"
    assert Run("bvm-distortion", 1, 0).recipe == "distortion"
    assert plan.network_of(Run("distortion", 1, 0)) == plan.network_of(Run("scratch", 1, 0)) == "tiny"


def test_there_are_enough_test_scans_for_a_difference_to_be_significant():
    """Signs of n differences flip in 2^n ways, and Holm multiplies the smallest p by the number of starts."""
    plan = Plan()
    assert 2 * 0.5**plan.test_scans * (len(plan.starts) - 1) < 0.05


def test_the_first_seed_is_done_before_the_others():
    seeds = [run.seed for run in Plan().runs()]
    assert seeds == sorted(seeds)


def test_a_plan_survives_json():
    plan = Plan(starts=("scratch", "masked"), labels=(1, 20), steps=7)
    assert Plan.from_json(plain_json(plan.to_json())) == plan
    with pytest.raises(UserError, match="plan of a benchmark"):
        Plan.from_json({"colour": "red"})


def test_the_command_says_what_is_not_the_default():
    assert Plan().command() == "dmri-pretrain benchmark recipes --out FOLDER"
    plan = Plan(starts=("scratch", "masked"), labels=(1, 20), seeds=(0, 1, 2, 3), steps=7)
    assert plan.command().endswith("--recipes scratch,masked --labels 1,20 --seeds 0,1,2,3 --steps 7")


def test_the_help_tells_the_defaults():
    hints = get_type_hints(recipes, include_extras=True)
    for name in ("steps", "pretrain_steps", "labels", "seeds"):
        value = getattr(Plan(), name)
        told = ",".join(map(str, value)) if isinstance(value, tuple) else value
        assert f"y default {told}." in hints[name].__metadata__[0].help


def test_the_network_of_the_seed_paper_may_be_compared_alone():
    plan = Plan(starts=("bvm-scratch", "bvm-distortion"))
    assert {reference_of(start) for start in plan.starts} == {"bvm-scratch"}
    assert {reference_of(start) for start in ("shipped", "masked", "scratch")} == {"scratch"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"starts": ("scratch", "magic")}, "magic"),
        ({"starts": ("masked",)}, "expected scratch"),
        ({"starts": ()}, "expected scratch"),
        ({"starts": ("scratch", "bvm-distortion")}, "expected bvm-scratch"),
        ({"labels": (1, 1)}, "different numbers"),
        ({"labels": (0,)}, "from 1"),
        ({"seeds": ()}, "--seeds"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        Plan(**wrong)


def test_more_steps_labels_and_seeds_take_longer():
    assert Plan(steps=600).hours() > Plan().hours() > Plan(seeds=(0,)).hours() > 100 * QUICK.hours()
