"""What every run of a job shares: one worker, a log, and a state in the job folder whatever happens."""

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from ..errors import UserError
from ..progress import Progress
from .failures import FailedError, failure_of
from .folder import JobFolder, is_first_process
from .worker import working

T = TypeVar("T")

_SECONDS_BETWEEN_EVENTS = 2.0

#: Exit code of a worker that was stopped by its cluster and is to be started again (EX_TEMPFAIL in sysexits.h).
EXIT_REQUEUE = 75


class StoppedError(Exception):
    """The run ends here because somebody asked for it; nothing is lost.

    Args:
        result: what there is of the result, None where there is nothing yet.
    """

    def __init__(self, result: Any = None) -> None:
        super().__init__("stopped")
        self.result = result


class LeftToOthersError(Exception):
    """This process has done its part; the rest is done by others, who will tell of the end."""


class RequeueError(SystemExit):
    """The run was stopped by the cluster, which is to start it again."""

    def __init__(self) -> None:
        super().__init__(EXIT_REQUEUE)


class StopSignals:
    """Turns the first Ctrl-C or SIGTERM into a request to stop the job; a second one interrupts.

    SIGUSR1, which SLURM sends before it ends a job, asks for the same and to be started again.

    Args:
        job: whom to ask.
        say: told of it.
    """

    def __init__(self, job: JobFolder, say: Callable[[str], None] = lambda _: None) -> None:
        self._job = job
        self._say = say
        self.requeue = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._job.stop_requested():
            raise KeyboardInterrupt
        self._job.request_stop()
        self._say("stopping after this step; once more to stop at once")

    def _ask_to_requeue(self, number: int, frame: FrameType | None) -> None:
        self.requeue = True
        with suppress(UserError):
            self._job.request_stop()

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle them here."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {signal.SIGINT: self._ask, signal.SIGTERM: self._ask}
        if hasattr(signal, "SIGUSR1"):
            handlers[signal.SIGUSR1] = self._ask_to_requeue
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, former in before.items():
                signal.signal(number, former)


def told_to(job: JobFolder, progress: Progress, pause: Callable[[], None] = lambda: None) -> Progress:
    """Progress of what has no steps of its own, such as reading, told to those who watch the job as well.

    Args:
        job: the job.
        progress: told of it too.
        pause: called each time; may raise to end the run there.
    """
    told = -_SECONDS_BETWEEN_EVENTS

    def tell(what: str, fraction: float) -> None:
        nonlocal told
        progress(what, fraction)
        if what.startswith("step "):
            return
        pause()
        now = time.monotonic()
        if now - told >= _SECONDS_BETWEEN_EVENTS:
            told = now
            job.append("progress", what=what)

    return tell


def run_session(
    job: JobFolder,
    run: Callable[[], T],
    *,
    alone: bool = True,
    tell: bool = True,
    signals: StopSignals | None = None,
) -> T | None:
    """Work on a job and write to its folder what becomes of it.

    Args:
        job: an existing job.
        run: the work; it ends with ``StoppedError`` where it was asked to stop before its end.
        alone: whether no other process may work on it.
        tell: whether to write states; helpers of another process leave that to it.
        signals: those of this process; by default none are handled.

    Returns:
        What the work returns, or what there was of it when it was stopped.

    Raises:
        UserError: from the run or for a failure of a known kind, with which the job has failed; or if another process
            works on it.
        KeyboardInterrupt: if it was interrupted; the job is stopped.
        RequeueError: if it was stopped by the cluster.
    """
    if alone and not is_first_process():
        return _silenced(run)
    with working(job, alone=alone):
        if not tell:
            return _silenced(run)
        # A job whose stop was asked for while it waited in a queue has that request still.
        job.append("state", state="running", pid=os.getpid())
        result = _told(job, run)
        if signals is not None and signals.requeue and job.told_state() == "stopped":
            job.stop_path.unlink(missing_ok=True)
            job.append("state", state="queued")
            raise RequeueError
        return result


def _silenced(run: Callable[[], T]) -> T | None:
    try:
        return run()
    except LeftToOthersError:
        return None
    except StoppedError as stopped:
        return stopped.result


def _told(job: JobFolder, run: Callable[[], T]) -> T | None:
    try:
        with _log_to(job.log_path):
            result = run()
    except LeftToOthersError:
        return None
    except StoppedError as stopped:
        job.append("state", state="stopped")
        return stopped.result
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the latter of the former
        job.append("state", state="stopped")
        raise KeyboardInterrupt from None
    except BaseException as error:
        told = tell_failure(job, error)
        if told is error:
            raise
        raise told from error
    job.append("state", state="finished")
    return result


def tell_failure(job: JobFolder, error: BaseException) -> BaseException:
    """Write down that a job has failed, on a full disk too; where even that fails there is the log of the system.

    Returns:
        What to raise: the error, or what is known of it in words for the user.
    """
    failure = failure_of(error)
    try:
        job.append("failure", **failure.to_json())
        job.append("state", state="failed")
    except UserError as unwritable:
        print(unwritable, file=sys.stderr)  # noqa: T201
    return error if isinstance(error, UserError) or failure.code == "unexpected" else FailedError(failure)


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Append what is logged, warnings included, to a file as well; tracebacks of failures too."""
    root = logging.getLogger()
    handler: logging.Handler = logging.NullHandler()
    if not _is_written_to(path):
        with suppress(OSError):
            handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    except (KeyboardInterrupt, SystemExit, StoppedError, LeftToOthersError):
        raise
    except BaseException:
        with suppress(OSError), path.open("a", encoding="utf-8") as log:
            log.write(traceback.format_exc())
        raise
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        handler.close()


def _is_written_to(path: Path) -> bool:
    """Whether what this process prints goes to that file anyway, as in the background."""
    try:
        return os.path.samestat(os.fstat(2), path.stat())
    except OSError:
        return False
