"""Commands that measure: ``benchmark ...``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from . import console
from .cli_options import DeviceOption, JsonOption, show
from .errors import UserError

benchmark = typer.Typer(name="benchmark", help="Measure what pretraining brings.", no_args_is_help=True)


@benchmark.callback()
def _group() -> None:
    """With one command alone, typer would leave out its name."""


@benchmark.command()
def recipes(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to work in; what was begun there is gone on with.")],
    results: Annotated[
        Path | None, typer.Option(help="Folder for recipes.json, recipes.md and the plots; by default OUT/results.")
    ] = None,
    starts: Annotated[
        str | None, typer.Option("--recipes", help="What to compare, scratch among it; by default all (see README).")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Numbers of labelled scans; by default 1,2,5,10.")] = None,
    seeds: Annotated[str | None, typer.Option(help="By default 0,1,2.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each fine-tuning.")] = None,
    pretrain_steps: Annotated[int | None, typer.Option(min=1, help="Of each pretraining.")] = None,
    network: Annotated[str | None, typer.Option(help="tiny or base.")] = None,
    device: DeviceOption = "cpu",
    quick: Annotated[
        bool, typer.Option(help="A tiny version that shows that all works; its numbers mean nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Compare what fine-tuning starts from: scratch, each recipe of pretraining, the shipped model, the seed's network.

    It goes on where it was broken off. The same command on any number of machines that share the folder splits the
    work. Tables are written of what is done.

    Example: dmri-pretrain benchmark recipes --out benchmark
    """
    from .benchmark.plan import QUICK, Plan
    from .benchmark.recipes import RecipeBenchmark

    given: dict[str, Any] = {
        "starts": _names(starts),
        "labels": _numbers("--labels", labels),
        "seeds": _numbers("--seeds", seeds),
        "steps": steps,
        "pretrain_steps": pretrain_steps,
        "network": network,
    }
    plan = replace(
        QUICK if quick else Plan(), device=device, **{name: value for name, value in given.items() if value is not None}
    )
    with console.progress_bar("benchmark") as progress:
        work = RecipeBenchmark(plan, out, progress)
        left = work.run()
    show({"left to others": left}, json, title=str(out))


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    names = _names(text)
    try:
        return None if names is None else tuple(map(int, names))
    except ValueError as error:
        raise UserError(f"{option} {text}: expected whole numbers with commas, such as 1,2,5,10; mend it") from error
