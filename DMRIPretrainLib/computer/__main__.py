"""``python -m DMRIPretrainLib.computer``: ``dmri-pretrain doctor`` for a Python that lacks everything."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .facts import plain_text
from .report import examine_computer


def main(arguments: list[str] | None = None) -> int:
    """Print the report; 0 when the library can work here, else 2."""
    parser = argparse.ArgumentParser(prog="doctor", description="Say whether DMRIPretrain can work on this computer.")
    parser.add_argument("--folder", type=Path, help="where results shall go")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    options = parser.parse_args(arguments)
    report = examine_computer(options.folder)
    text = json.dumps(report.to_json(), indent=2) if options.json else plain_text(report)
    print(text)  # noqa: T201
    return 0 if report.works else 2


if __name__ == "__main__":
    sys.exit(main())
