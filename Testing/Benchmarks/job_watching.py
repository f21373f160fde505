"""What it costs to watch a job with a long story: time of an update and memory, for 1,000 to 1,000,000 events.

Run: .venv/bin/python Testing/Benchmarks/job_watching.py
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from DMRIPretrainLib.jobs.curves import Curves
from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.jobs.status import JobWatcher

_NEW_EVENTS = 20
_UPDATES = 50


def write_job(path: Path, events: int) -> JobFolder:
    """A job as fine-tuning writes it: ten metrics an interval, progress between."""
    job = JobFolder(path)
    job.create({"kind": "finetune"})
    job.append("state", state="running")
    with job.events_path.open("a") as file:
        for number in range(events):
            if number % 3 == 0:
                fields = {"kind": "progress", "what": f"step {number}", "fraction": number / events, "loss": 0.5}
            else:
                fields = {"kind": "metric", "step": number // 10, "name": f"Dice label {number % 10}", "value": 0.1}
            file.write(json.dumps({"time": time.time(), **fields}) + "\n")
    return job


def measure(events: int) -> None:
    """Print the figures of one story; in a process of its own, since the peak of memory counts."""
    with tempfile.TemporaryDirectory() as folder:
        job = write_job(Path(folder) / "job", events)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.perf_counter()
        watcher, curves = JobWatcher(job), Curves()
        watcher.status()
        opened = time.perf_counter() - begun
        catching_up = []
        while True:
            begun = time.perf_counter()
            curves.add(watcher.read())
            watcher.status()
            catching_up.append(time.perf_counter() - begun)
            if not watcher.behind:
                break
        updates = []
        for update in range(_UPDATES):
            for number in range(_NEW_EVENTS):
                job.append("metric", step=events + update, name=f"Dice label {number % 10}", value=0.2)
            begun = time.perf_counter()
            curves.add(watcher.read())
            watcher.status()
            updates.append(time.perf_counter() - begun)
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    times = [opened, max(catching_up), statistics.median(updates), max(updates)]
    print(f"{events:>9,d} " + " ".join(f"{1000 * seconds:>17.1f}" for seconds in times) + f" {memory:>12.1f}")


def main() -> None:
    """Print a table, a line for each length."""
    if len(sys.argv) > 1:
        measure(int(sys.argv[1]))
        return
    names = ("first look [ms]", "catching up [ms]", "update [ms]", "slowest [ms]")
    print(f"{'events':>9s} " + " ".join(f"{name:>17s}" for name in names) + f" {'memory [MB]':>12s}", flush=True)
    for events in (1_000, 10_000, 100_000, 1_000_000):
        subprocess.run([sys.executable, __file__, str(events)], check=True)


if __name__ == "__main__":
    main()
