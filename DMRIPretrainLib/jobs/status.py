"""What a job does now, for whoever watches: cheap, in constant memory, without any of the library's dependencies."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from .events import Event, EventKind, EventReader, latest_events
from .failures import LOST, Failure
from .folder import JobFolder
from .process import ProcessIdentity
from .worker import has_dead_worker, live_workers

#: ``stopping``: asked to stop and still at work. ``lost``: its process is gone without a word.
JobState = Literal["queued", "running", "stopping", "stopped", "finished", "failed", "lost"]

_SUMMARISED: tuple[EventKind, ...] = ("state", "progress", "best", "estimate", "failure", "result", "picture")


@dataclass(frozen=True)
class JobStatus:
    """A job at one moment.

    Attributes:
        state: see ``JobState``; None where nothing was ever started.
        latest: the last event of each kind that says how a job is, such as ``progress`` and ``best``.
        failure: why it failed or was lost.
        workers: the processes at work.
    """

    state: JobState | None
    latest: dict[str, Event]
    failure: Failure | None
    workers: tuple[ProcessIdentity, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen unless somebody starts it again."""
        return self.state not in ("queued", "running", "stopping")

    @property
    def can_resume(self) -> bool:
        """Whether it can go on where it ended."""
        return self.state in ("stopped", "failed", "lost")

    @property
    def fraction(self) -> float | None:
        """The part that is done, 0 to 1."""
        if self.state == "finished":
            return 1.0
        fraction = self.latest.get("progress", {}).get("fraction")
        return float(fraction) if isinstance(fraction, int | float) else None

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds to its end; None where unknown or over."""
        seconds = self.latest.get("progress", {}).get("seconds_left")
        return float(seconds) if isinstance(seconds, int | float) and not self.is_over else None

    def to_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "state": self.state,
            "fraction": self.fraction,
            "seconds_left": self.seconds_left,
            "failure": self.failure.to_json() if self.failure else None,
            "workers": [worker.describe() for worker in self.workers],
            "latest": self.latest,
        }


class JobWatcher:
    """Follows a job; cheap however long its story is.

    Args:
        job: the job.
    """

    def __init__(self, job: JobFolder) -> None:
        job.check()
        self._job = job
        self._reader = EventReader(job.events_path)
        self._latest: dict[str, Event] = latest_events(job.events_path, _SUMMARISED)

    def read(self) -> list[Event]:
        """The events since the last call, those of the past piece by piece first: a quarter of a megabyte a call."""
        events = self._reader.read()
        for event in events:
            kind = event["kind"]
            if kind in _SUMMARISED and event["time"] >= self._latest.get(kind, event)["time"]:
                self._latest[kind] = event
        return events

    @property
    def behind(self) -> bool:
        """Whether :meth:`read` has more of the past at once."""
        return self._reader.behind

    def status(self) -> JobStatus:
        """What the job does now, as far as it was read."""
        workers = tuple(live_workers(self._job))
        state = self._state(bool(workers))
        failure = None
        if state == "failed" and "failure" in self._latest:
            failure = Failure.from_event(self._latest["failure"])
        elif state == "lost":
            failure = LOST
        return JobStatus(state, dict(self._latest), failure, workers)

    def _state(self, at_work: bool) -> JobState | None:
        event = self._latest.get("state", {})
        told = event.get("state")
        if told not in get_args(JobState):
            return None
        if told == "queued":
            # A process that was launched is known at once; where a cluster holds the job there is none yet.
            return "lost" if not at_work and has_dead_worker(self._job) else "queued"
        if told in ("running", "stopping"):
            if not at_work:
                return "lost"
            return "stopping" if self._job.stop_requested() else "running"
        return told


def read_status(job: JobFolder) -> JobStatus:
    """What a job does now.

    Raises:
        UserError: if the folder cannot be used.
    """
    return JobWatcher(job).status()
