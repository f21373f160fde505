"""The plots of the benchmark of baselines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .baseline_summary import find_row, mean_of
from .known_scan import BRAIN
from .plots import COLOURS, figure
from .protocols import DIRECTIONS, MAIN, SNRS, Protocol, one_shell

_LINES = {"crossing_f1": "crossing F1", "dominant_all_mean": "error of the main direction [°]"}
_CONFUSIONS = ("model", "csd", "mrtrix-csd", "force")


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Plots of the results.

    Args:
        results: as for ``baseline_report.report``.
        folder: where to; gets ``baselines_directions.png``, ``baselines_snr.png`` and ``baselines_confusion.png``.

    Returns:
        The pictures.

    Raises:
        UserError: if they cannot be written.
    """
    written = [folder / f"baselines_{name}.png" for name in ("directions", "snr", "confusion")]
    by_directions = {count: one_shell(count, 1000, 20) for count in DIRECTIONS}
    by_snr = {snr: one_shell(64, 1000, snr) for snr in SNRS}
    _draw_lines(results, written[0], by_directions, "directions of b = 1000, SNR 20")
    _draw_lines(results, written[1], by_snr, "SNR, 64 directions of b = 1000")
    _draw_confusions(results, written[2])
    return written


def _draw_lines(results: Mapping[str, Any], path: Path, protocols: Mapping[int, Protocol], label: str) -> None:
    kinds = results["plan"]["kinds"]
    with figure(path, len(_LINES), len(kinds)) as axes:
        for line, kind in enumerate(kinds):
            for axis, (metric, title) in zip(axes[line], _LINES.items(), strict=True):
                for number, (method, name) in enumerate(results["titles"].items()):
                    rows = (find_row(results["rows"], kind, str(protocol), method) for protocol in protocols.values())
                    found = [np.nan if (mean := mean_of(row, metric)) is None else mean for row in rows]
                    if np.isfinite(found).any():
                        colour = COLOURS[number % len(COLOURS)]
                        axis.plot(list(protocols), found, marker="o", markersize=3, color=colour, label=name)
                axis.set(xlabel=label, title=f"{kind}: {title}")
        axes[0][0].legend(fontsize=7)


def _draw_confusions(results: Mapping[str, Any], path: Path) -> None:
    found = [(m, find_row(results["rows"], BRAIN, str(MAIN), m)) for m in _CONFUSIONS if m in results["titles"]]
    shown = [(method, row) for method, row in found if row and row["confusion"]]
    with figure(path, max(1, len(shown)), size=(3.0, 3.2)) as axes:
        for axis, (method, row) in zip(axes[0], shown, strict=False):
            counts = np.array(row["confusion"], dtype=float)
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            for true, answered in np.ndindex(shares.shape):
                colour = "white" if shares[true, answered] > 0.6 else "black"
                axis.text(answered, true, f"{shares[true, answered]:.2f}", ha="center", va="center", color=colour)
            axis.set(xlabel="answered", ylabel="true number of fibres", title=results["titles"][method])
            axis.set(xticks=range(4), yticks=range(4))
