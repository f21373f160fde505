import os
import sys
from pathlib import Path

import pytest

from DMRIPretrainLib.computer.hardware import disk_of, free_pages, main_memory, usable_cores

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads the files of Linux")


def linux(root: Path, available: int, group: str = "") -> Path:
    own = root / "proc" / "self"
    own.mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 16000 kB\nMemFree: 1 kB\nMemAvailable: {available} kB\n")
    (own / "cgroup").write_text("0::/\n")
    (own / "mountinfo").write_text("31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    if group:
        (root / "sys/fs/cgroup").mkdir(parents=True)
        (root / "sys/fs/cgroup/memory.max").write_text(group)
        (root / "sys/fs/cgroup/memory.current").write_text(str(1024 * 1000))
    return root


@on_linux
def test_memory_of_the_machine(tmp_path: Path) -> None:
    memory = main_memory(linux(tmp_path, 9000))
    assert memory is not None
    assert (memory.total, memory.available) == (1024 * 16000, 1024 * 9000)


@on_linux
@pytest.mark.parametrize(("machine", "available"), [(9000, 3000), (2000, 2000)])
def test_memory_of_a_container_is_what_its_limit_and_the_machine_leave(
    tmp_path: Path, machine: int, available: int
) -> None:
    memory = main_memory(linux(tmp_path, machine, str(1024 * 4000)))
    assert memory is not None
    assert (memory.total, memory.available) == (1024 * 4000, 1024 * available)


@on_linux
def test_memory_here_agrees_with_the_system() -> None:
    memory = main_memory()
    assert memory is not None
    assert 0 < memory.available < memory.total <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_cores_here() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_free_pages_of_a_mac() -> None:
    text = (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
        "Pages free:                                3000.\n"
        "Pages active:                            200000.\n"
        "Pages inactive:                            1000.\n"
        'Pages speculative:                          500.\n"Translation faults":              10.\n'
        "Pages purgeable:                            100.\n"
    )
    assert free_pages(text) == 16384 * 4600


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    disk = disk_of(tmp_path / "a" / "b")
    assert disk.folder == str(tmp_path / "a" / "b")
    assert disk.writable
    assert 0 < disk.free <= disk.total


def test_a_file_is_no_folder_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not disk_of(tmp_path / "file" / "results").writable
