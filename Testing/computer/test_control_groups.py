"""Limits of control groups, from file systems as Linux lays them out."""

from pathlib import Path

import pytest

from DMRIPretrainLib.computer.control_groups import MemoryLimit, core_limit, memory_limits

V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNTS = (
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
)


def system(root: Path, groups: str, mounts: str, files: dict[str, str]) -> Path:
    own = root / "proc" / "self"
    own.mkdir(parents=True)
    (own / "cgroup").write_text(groups + "\n")
    (own / "mountinfo").write_text("25 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mounts + "\n")
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_version_2_looks_at_all_groups_above(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        "0::/job/step",
        V2_MOUNT,
        {
            "job/step/memory.max": "max",
            "job/step/cpu.max": "max 100000",
            "job/memory.max": "4000",
            "job/memory.current": "1500",
            "job/memory.stat": "anon 400\ninactive_file 500",
            "job/cpu.max": "150000 100000",
        },
    )
    assert memory_limits(root) == [MemoryLimit(4000, 1000)]
    assert core_limit(root) == 2


def test_version_1_has_a_hierarchy_for_each_controller(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        "4:memory:/slurm/job\n2:cpu,cpuacct:/slurm\n0::/",
        V1_MOUNTS,
        {
            "memory/slurm/job/memory.limit_in_bytes": "9223372036854771712",
            "memory/slurm/memory.limit_in_bytes": "8000",
            "memory/slurm/memory.usage_in_bytes": "3000",
            "memory/slurm/memory.stat": "inactive_file 1\ntotal_inactive_file 1000",
            "cpu,cpuacct/slurm/cpu.cfs_quota_us": "300000",
            "cpu,cpuacct/slurm/cpu.cfs_period_us": "100000",
            "cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
    )
    assert memory_limits(root) == [MemoryLimit(8000, 2000)]
    assert core_limit(root) == 3


@pytest.mark.parametrize("mount_root", ["/", "/docker/abc"])
def test_container_that_sees_its_own_group_as_the_top(tmp_path: Path, mount_root: str) -> None:
    mounts = V2_MOUNT.replace("0:28 / ", f"0:28 {mount_root} ")
    root = system(tmp_path, "0::/docker/abc", mounts, {"memory.max": "700", "memory.current": "0"})
    assert memory_limits(root) == [MemoryLimit(700, 0)]


def test_no_control_groups_no_limits(tmp_path: Path) -> None:
    assert memory_limits(tmp_path) == []
    assert core_limit(tmp_path) is None
