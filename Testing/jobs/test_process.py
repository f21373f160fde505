import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from DMRIPretrainLib.jobs.process import ProcessIdentity

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def test_a_process_is_alive_until_it_ends():
    own = ProcessIdentity.of(os.getpid())
    assert own.is_here()
    assert own.is_alive()
    with subprocess.Popen(SLEEP, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        other = ProcessIdentity.of(process.pid)
        assert other.is_alive()
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie now: nobody has taken note of its end
        assert not other.is_alive()
    assert not other.is_alive()


def test_a_number_that_is_used_again_is_another_process():
    own = ProcessIdentity.of(os.getpid())
    former = replace(own, started="12345")
    assert former.pid == own.pid
    assert not former.is_alive()


def test_a_process_of_another_machine_or_of_an_earlier_boot_is_not_here():
    own = ProcessIdentity.of(os.getpid())
    assert not replace(own, host="elsewhere").is_here()
    assert not replace(own, boot="yesterday").is_here()


def test_a_process_that_never_was_is_not_alive():
    assert not ProcessIdentity.of(2**22 + 5).is_alive()


def test_identities_survive_json():
    own = ProcessIdentity.of(os.getpid())
    assert ProcessIdentity.from_json(own.to_json()) == own


@pytest.mark.parametrize("content", [None, [], {}, {"host": "a", "boot": "b", "pid": "x", "started": "1"}, 7])
def test_anything_else_is_no_identity(content):
    assert ProcessIdentity.from_json(content) is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it may take a second")
def test_a_child_ends_with_its_parent(wait_until):
    child = "import time; from DMRIPretrainLib.jobs.process import end_with_parent; end_with_parent(); "
    child += "print('up', flush=True); time.sleep(60)"
    parent = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]); print(p.pid, flush=True)"
    )
    parent += "; p.wait()"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline().strip() for _ in range(2)]
    (number,) = [int(line) for line in lines if line.isdigit()]
    identity = ProcessIdentity.of(number)
    assert identity.is_alive()
    process.kill()
    process.wait()
    wait_until(lambda: not identity.is_alive(), 5)
