"""Commands that compare with classical methods and measure time: ``benchmark baselines`` and ``benchmark speed``."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from . import console
from .cli_options import DeviceOption, JsonOption, show
from .networks.catalogue import DEFAULT_MODEL, checksum, find_model

WorkOption = Annotated[
    Path, typer.Option("--out", "-o", help="Folder to work in; what was begun there is gone on with.")
]
ResultsOption = Annotated[
    Path | None,
    typer.Option(help="Folder for tables and plots; by default Testing/Benchmarks/results in a checkout, else in OUT."),
]


def baselines(
    out: WorkOption,
    results: ResultsOption = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model file, or name of a shipped one.")] = None,
    scan: Annotated[
        list[Path] | None, typer.Option(help="A real scan of 24 directions or more, for repeatability; repeatable.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of each method.")] = 1,
    full: Annotated[
        bool, typer.Option(help="All methods under every number of directions, b-value and SNR: days on one computer.")
    ] = False,
    quick: Annotated[bool, typer.Option(help="Small: shows that all works; its numbers mean nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Compare a model with DTI, CSA, CSD, MSMT-CSD, FORCE and tissue classifiers of DIPY and with MRtrix3.

    On simulated scans whose truth is known, under many protocols: accuracy, time and memory in the same run. It goes on
    where it was broken off; the same command on any number of machines that share the folder splits the work.

    Example: dmri-pretrain benchmark baselines --out benchmark
    """
    from .benchmark.baseline_report import report
    from .benchmark.baseline_summary import summarise
    from .benchmark.baselines import FULL_PLAN, QUICK, BaselineBenchmark, Plan
    from .benchmark.repeatability import measure_real

    plan = FULL_PLAN if full else QUICK if quick else Plan()
    path = find_model(model or DEFAULT_MODEL)
    plan = replace(plan, model=checksum(path), threads=threads)
    with console.progress_bar("benchmark") as progress:
        work = BaselineBenchmark(plan, out, str(path), progress)
        left = work.run()
        real = measure_real(out, path, scan or [], progress)
    command = f"dmri-pretrain benchmark baselines --threads {threads}" + " --full" * full + " --quick" * quick
    content = summarise(plan, work.outcomes(), real)
    folder = results_folder(results, out)
    _write("baselines", command, content, report, _draw("baseline_plots"), folder)
    _tell("baselines", {"left to others": left, **content["progress"]}, content, folder, json)


def speed(
    out: WorkOption,
    results: ResultsOption = None,
    threads: Annotated[int, typer.Option(min=1, help="Of each program.")] = 2,
    device: DeviceOption = "cpu",
    quick: Annotated[bool, typer.Option(help="Small: shows that all works; its numbers mean nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Measure time and memory of prediction, of steps of training, and of others, on scans up to 145x174x145x288.

    The largest scan needs 10 GB of disk and some minutes. Leave the computer alone meanwhile.

    Example: dmri-pretrain benchmark speed --out speed
    """
    from .benchmark.speed import QUICK, Plan, SpeedBenchmark
    from .benchmark.speed_report import report, summarise
    from .networks.device import choose_device

    plan = replace(QUICK if quick else Plan(), threads=threads, device=str(choose_device(device)))
    with console.progress_bar("benchmark") as progress:
        work = SpeedBenchmark(plan, out, progress)
        work.run()
    command = f"dmri-pretrain benchmark speed --threads {threads} --device {plan.device}" + " --quick" * quick
    content, folder = summarise(work), results_folder(results, out)
    _write("speed", command, content, report, _draw("speed_report"), folder)
    _tell("speed", {}, content, folder, json)


def _draw(module: str) -> Callable[[Any, Path], Any]:
    """The plots of a benchmark, loaded when they are drawn: Matplotlib may be missing."""

    def draw(content: Any, folder: Path) -> None:
        importlib.import_module(f".benchmark.{module}", __package__).draw(content, folder)

    return draw


def _write(
    name: str,
    command: str,
    content: dict[str, Any],
    report: Callable[[Any], str],
    draw: Callable[[Any, Path], Any],
    folder: Path,
) -> None:
    from .benchmark.plots import can_plot
    from .benchmark.results import provenance, write_results
    from .files import plain_json

    content = plain_json({"provenance": provenance(command), **content})
    write_results(folder, name, content, report(content))
    if can_plot():
        draw(content, folder)
    else:
        console.messages.print("no plots: they need Matplotlib (pip install matplotlib); run the command again then")


def _tell(name: str, told: dict[str, Any], content: dict[str, Any], folder: Path, json: bool) -> None:
    show(told | {"aims": content["aims"], "tables": str(folder / f"{name}.md")}, json, title=str(folder))


def results_folder(given: Path | None, out: Path) -> Path:
    """Where results go: as was said, or where those of a checkout are, or with the work."""
    checkout = Path(__file__).resolve().parents[1] / "Testing" / "Benchmarks"
    return given or (checkout / "results" if checkout.is_dir() else out / "results")
