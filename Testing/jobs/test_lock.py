import subprocess
import sys

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.jobs.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from DMRIPretrainLib.jobs.lock import locked
with locked(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock ``tmp_path / "lock"``."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "True"
    yield process
    process.kill()
    process.wait()


def test_a_lock_is_held_by_one_and_let_go_of_when_its_owner_is_killed(tmp_path, holder):
    with locked(tmp_path / "lock") as mine:
        assert not mine
    holder.kill()
    holder.wait()
    with locked(tmp_path / "lock") as mine:
        assert mine
    with locked(tmp_path / "lock") as again:
        assert again


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(UserError, match="lock: cannot be made"), locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "precious").exists()
