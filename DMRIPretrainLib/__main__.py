"""``python -m DMRIPretrainLib`` is the command ``dmri-pretrain``; what it needs may be missing."""

import sys
from pathlib import Path


def main() -> int:
    """Run the command; without its packages only the doctor can work, and says which they are."""
    from .computer.packages import python_findings

    for finding in python_findings():
        print(f"dmri-pretrain: {finding.text}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        from .cli import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("DMRIPretrainLib"):
            raise
        if sys.argv[1:2] != ["doctor"]:
            print(  # noqa: T201
                f"dmri-pretrain: expected the package {error.name}, found none; python -m DMRIPretrainLib doctor says "
                "what is missing and how to install it",
                file=sys.stderr,
            )
            _tell_job(sys.argv[1:], error)
            return 2
        from .computer.__main__ import main as doctor

        return doctor(sys.argv[2:])
    run()
    return 0


def _tell_job(arguments: list[str], error: ModuleNotFoundError) -> None:
    """A job in the background that cannot even begin says so in its folder."""
    if len(arguments) < 2 or arguments[0] != "run":
        return
    try:
        from .jobs.folder import JobFolder
        from .jobs.session import tell_failure
    except ModuleNotFoundError:
        return
    job = JobFolder(Path(arguments[1]))
    if job.specification_path.is_file():
        tell_failure(job, error)


if __name__ == "__main__":
    sys.exit(main())
