"""PyTorch that works, crashes, hangs or lies, each in a process of its own."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from DMRIPretrainLib.computer.devices import (
    Device,
    NvidiaCard,
    TorchState,
    cards_from_table,
    has_kernels,
    torch_findings,
    try_torch,
)

TORCH = {
    "kind": "torch",
    "version": "2.8.0",
    "cuda_build": "12.8",
    "hip_build": None,
    "architectures": ["sm_80", "sm_90"],
    "numpy": True,
}
GPU = {"kind": "device", "name": "cuda:0", "title": "Big", "capability": [9, 0], "total": 8 * 2**30, "free": 7 * 2**30}
CARD = NvidiaCard("Big", "550.1", 8 * 2**30, 7 * 2**30)


def program(*lines: object, end: str = "") -> list[str]:
    """A Python that says these lines, then ends in some way."""
    said = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return [sys.executable, "-S", "-c", f"import os, sys, time\nprint({said!r}, flush=True)\n{end}"]


def codes(torch: TorchState, cards: tuple[NvidiaCard, ...] = (), installed: bool = True) -> list[tuple[str, str]]:
    return [(finding.severity, finding.code) for finding in torch_findings(torch, cards, installed)]


def test_pytorch_here_works() -> None:
    torch = try_torch()
    assert torch.crash == ""
    cpu = torch.devices[0]
    assert (cpu.name, cpu.works) == ("cpu", True)
    assert torch.numpy
    assert codes(replace(torch, devices=(cpu,))) == []


def test_words_of_other_libraries_are_ignored() -> None:
    torch = try_torch(
        program(
            "hello", TORCH, "[1]", '{"kind": 3}', GPU, {"kind": "result", "name": "cuda:0", "works": True, "error": ""}
        )
    )
    assert torch.version == "2.8.0"
    assert torch.devices[0] == Device("cuda:0", "Big", (9, 0), 8 * 2**30, 7 * 2**30, works=True)
    assert codes(torch) == []


def test_an_import_that_crashes_is_told() -> None:
    torch = try_torch(program(end="os.abort()"))
    assert torch.version is None
    assert "signal" in torch.crash or "code" in torch.crash
    assert codes(torch) == [("error", "torch-broken")]


def test_an_import_that_fails_is_told_with_its_last_line() -> None:
    torch = try_torch(program(end="raise OSError('[WinError 126] fbgemm.dll')"))
    assert "fbgemm.dll" in torch.crash
    (finding,) = torch_findings(torch, [], installed=True)
    assert "fbgemm.dll" in finding.message
    assert finding.action


def test_a_crash_of_a_device_keeps_what_was_said_before() -> None:
    torch = try_torch(
        program(
            TORCH,
            {"kind": "device", "name": "cpu", "title": "CPU"},
            {"kind": "result", "name": "cpu", "works": True, "error": ""},
            GPU,
            end="os._exit(11)",
        )
    )
    assert [device.works for device in torch.devices] == [True, False]
    (finding,) = torch_findings(torch, [], installed=True)
    assert (finding.code, finding.where) == ("device-broken", "cuda:0")


def test_pytorch_that_hangs_is_given_up() -> None:
    torch = try_torch(program(TORCH, end="time.sleep(60)"), patience=1)
    assert torch.version == "2.8.0"
    assert "1 s" in torch.crash
    assert codes(torch) == [("warning", "torch-crash")]


def test_no_python_to_start(tmp_path: Path) -> None:
    assert "cannot be started" in try_torch([str(tmp_path / "python")]).crash


def test_missing_pytorch_is_told_with_the_packages_alone() -> None:
    assert codes(try_torch(program(end="import torch")), installed=False) == []


@pytest.mark.parametrize(
    ("architectures", "capability", "runs"),
    [
        (("sm_80", "sm_90"), (8, 9), True),
        (("sm_80", "sm_90"), (12, 0), False),
        (("sm_86",), (8, 0), False),
        (("sm_70", "compute_90"), (12, 0), True),
        (("compute_90",), (8, 9), False),
        (("sm_90a",), (9, 0), True),
        (("sm_100a", "compute_100a"), (10, 3), False),
        (("sm_120",), (12, 1), True),
        (("gfx90a",), (9, 0), False),
        ((), (9, 0), False),
    ],
)
def test_kernels(architectures: tuple[str, ...], capability: tuple[int, int], runs: bool) -> None:
    assert has_kernels(architectures, capability) is runs


def test_a_new_gpu_without_kernels() -> None:
    device = Device("cuda:0", "Newest", (12, 0), 2**34, 2**34, works=False, error="no kernel image")
    torch = TorchState("2.8.0", "12.8", architectures=("sm_80", "sm_90"), devices=(device,))
    (finding,) = torch_findings(torch, [CARD], installed=True)
    assert (finding.severity, finding.code, finding.where) == ("error", "no-kernel", "cuda:0")
    assert "sm_120" in finding.message
    assert "--device cpu" in finding.action


def test_gpus_of_amd_have_other_names_of_kernels() -> None:
    device = Device("cuda:0", "AMD", (9, 4), 2**34, 2**34, works=True)
    assert codes(TorchState("2.8.0", None, "6.3", ("gfx942",), devices=(device,))) == []


def test_little_free_memory_of_a_gpu() -> None:
    device = Device("cuda:0", "Big", (9, 0), 2**34, 2**30, works=True)
    assert codes(TorchState("2.8.0", "12.8", None, ("sm_90",), devices=(device,))) == [("warning", "gpu-memory")]


def test_a_card_that_pytorch_does_not_use() -> None:
    cpu = Device("cpu", "CPU", works=True)
    assert codes(TorchState("2.8.0+cpu", devices=(cpu,)), (CARD,)) == [("warning", "gpu-unused")]
    assert codes(TorchState("2.8.0", "12.8", devices=(cpu,)), (CARD,)) == [("warning", "gpu-unseen")]


def test_broken_devices_that_nobody_takes_unasked_are_warnings() -> None:
    cpu, mps = Device("cpu", "CPU", works=True), Device("mps", "Apple GPU", error="wrong by 3")
    assert codes(TorchState("2.8.0", devices=(cpu, mps))) == [("warning", "device-broken")]


def test_numpy_that_pytorch_does_not_know() -> None:
    assert codes(TorchState("2.2.2", numpy=False)) == [("error", "torch-numpy")]


def test_table_of_nvidia_smi() -> None:
    text = "NVIDIA A, 550.54, 81559, 80000\nNVIDIA B, 550.54, [N/A], 5\nFailed to initialize NVML\n"
    assert cards_from_table(text) == [NvidiaCard("NVIDIA A", "550.54", 81559 * 2**20, 80000 * 2**20)]
