"""Ask one method about one scan: ``python -m DMRIPretrainLib.benchmark.ask FOLDER METHOD ANSWER``.

Runs in a process of its own, so that its memory is that of the method. The answer is written to a file, and what the
work took is printed: the time from the scan in memory to the answer, without starting Python and its packages.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import atomic_path
from .known_scan import read_question
from .methods.method import Found, Question
from .methods.registry import METHODS, load_method
from .own_process import peak_memory


def main() -> int:
    """Ask and write the answer."""
    options = _parse()
    method = load_method(options.method)
    scan, asked = read_question(options.folder)
    scan = type(scan)(np.asarray(scan.signal, dtype=np.float32), scan.affine, scan.gradients, scan.mask, scan.path)
    missing = method.missing(scan.gradients)
    if missing:
        print(json.dumps({"missing": missing}))  # noqa: T201
        return 0
    method.prepare()
    with tempfile.TemporaryDirectory(dir=options.answer.parent) as scratch:
        question = Question(scan, asked, Path(scratch), options.threads, options.model, options.simulations)
        begun = time.monotonic()
        try:
            found = method.answer(question)
        except UserError as error:
            print(error, file=sys.stderr)  # noqa: T201
            return 2
        seconds = time.monotonic() - begun
    with atomic_path(options.answer) as temporary:
        np.savez(temporary, **{name: value for name, value in vars(found).items() if value is not None})
    print(json.dumps({"answer_seconds": seconds, "memory": peak_memory()}))  # noqa: T201
    return 0


def read_found(path: Path) -> Found:
    """What :func:`main` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Found(**{name: file[name] for name in file.files})


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("answer", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model")
    parser.add_argument("--simulations", type=int, default=30_000)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
