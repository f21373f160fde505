"""Commands that measure: ``benchmark ...``."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import cli_measuring, console
from .cli_options import DeviceOption, JsonOption, show
from .errors import UserError

if TYPE_CHECKING:
    from .benchmark.recipes import RecipeBenchmark

benchmark = typer.Typer(name="benchmark", help="Measure how good all this is.", no_args_is_help=True)


@benchmark.callback()
def _group() -> None:
    """Measure how good all this is."""


benchmark.command()(cli_measuring.baselines)
benchmark.command()(cli_measuring.speed)


@benchmark.command()
def recipes(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to work in; what was begun there is gone on with.")],
    results: cli_measuring.ResultsOption = None,
    starts: Annotated[
        str | None, typer.Option("--recipes", help="What to start from, also scratch or bvm-scratch; by default all.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Numbers of labelled scans; by default 1,2,5,10.")] = None,
    seeds: Annotated[str | None, typer.Option(help="By default 0,1,2.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each fine-tuning; by default 300.")] = None,
    pretrain_steps: Annotated[int | None, typer.Option(min=1, help="Of each pretraining; by default 800.")] = None,
    network: Annotated[str | None, typer.Option(help="tiny (the default) or base.")] = None,
    device: DeviceOption = "cpu",
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that share the runs.")] = 1,
    quick: Annotated[bool, typer.Option(help="A small one, to see that all works; its numbers mean nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Compare starts of fine-tuning: random weights, each recipe, the shipped model, the network of the seed paper.

    It goes on where it was broken off, with the plan that is there. The same command on other machines that share the
    folder takes part. Tables and plots are made of what is done so far.

    Example: dmri-pretrain benchmark recipes --out benchmark --workers 2
    """
    from .benchmark.plan import QUICK, Plan
    from .benchmark.recipes import RecipeBenchmark, found_plan
    from .jobs.helpers import helpers, is_helper

    given: dict[str, Any] = {
        "starts": _names(starts),
        "labels": _numbers("--labels", labels),
        "seeds": _numbers("--seeds", seeds),
        "steps": steps,
        "pretrain_steps": pretrain_steps,
        "network": network,
        "device": None if device == "cpu" else device,
    }
    base = found_plan(out) or (QUICK if quick else Plan())
    plan = replace(base, **{name: value for name, value in given.items() if value is not None})
    work = RecipeBenchmark(plan, out)
    if is_helper():
        work.run()
        return
    done, planned = len(work.outcomes()), len(list(plan.runs()))
    console.messages.print(f"{planned} runs, {done} of them done; all take about {plan.hours():.1f} hours of one core")
    helping = helpers(["benchmark", "recipes", "--out", str(out)], workers - 1, out / "workers.log")
    with console.progress_bar("benchmark") as progress, helping if workers > 1 else nullcontext():
        work.run(progress)
    # Smaller ones must not take the place of what is published.
    folder = cli_measuring.results_folder(results, out) if plan == Plan() else results or out / "results"
    _write_recipes(work, folder, json)


def _write_recipes(work: "RecipeBenchmark", folder: Path, json: bool) -> None:
    from .benchmark.plots import can_plot
    from .benchmark.recipe_plots import draw
    from .benchmark.recipe_report import report
    from .benchmark.recipe_summary import summarise
    from .benchmark.results import provenance, write_results
    from .files import plain_json

    made = {"provenance": provenance(work.plan.command()), **summarise(work.plan, work.outcomes())}
    content = plain_json(made)
    write_results(folder, "recipes", content, report(content))
    if can_plot():
        draw(content, folder)
    else:
        console.messages.print("no plots: they need Matplotlib (pip install matplotlib); run the command again then")
    told = {"runs": content["progress"], "aims": content["aims"], "tables": str(folder / "recipes.md")}
    show(told, json, title=str(folder))


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    names = _names(text)
    try:
        return None if names is None else tuple(map(int, names))
    except ValueError as error:
        raise UserError(f"{option} {text}: expected whole numbers with commas, such as 1,2,5,10; mend it") from error
