"""PyTorch and what it can compute on, tried in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..findings import Finding

_LIBRARY = Path(__file__).resolve().parents[2]
#: Seconds after which PyTorch counts as stuck; on a slow disk its first import takes long.
PATIENCE = 60.0
#: Free memory of a GPU below which training will hardly fit, in bytes.
_LITTLE_GPU_MEMORY = 3 * 2**30
_OTHER_TORCH = (
    "install a PyTorch that is made for this GPU: in Slicer with the extension PyTorch, elsewhere from "
    "https://pytorch.org/get-started/locally; until then choose --device cpu"
)


@dataclass(frozen=True)
class Device:
    """Something that PyTorch computes on.

    Attributes:
        name: as ``--device`` takes it: ``cpu``, ``cuda:0``, ``mps``.
        title: what its maker calls it.
        capability: CUDA compute capability, such as (9, 0); None for others.
        total: its memory in bytes; None where it has none of its own.
        free: what of it is free, in bytes; None where that is not known.
        works: whether a small computation gave the right result.
        error: what went wrong, else empty.
    """

    name: str
    title: str
    capability: tuple[int, int] | None = None
    total: int | None = None
    free: int | None = None
    works: bool = False
    error: str = ""


@dataclass(frozen=True)
class TorchState:
    """PyTorch, as it is when it runs.

    Attributes:
        version: of PyTorch; None if it could not be imported.
        cuda_build: CUDA version that it was built for; None for a build without CUDA.
        hip_build: ROCm version that it was built for; None for others.
        architectures: what its CUDA kernels were compiled for, such as ``sm_90``.
        numpy: whether it exchanges arrays with the NumPy that is installed.
        devices: all that were tried.
        crash: why it could not be imported, or crashed; else empty.
    """

    version: str | None = None
    cuda_build: str | None = None
    hip_build: str | None = None
    architectures: tuple[str, ...] = ()
    numpy: bool = True
    devices: tuple[Device, ...] = ()
    crash: str = ""


@dataclass(frozen=True)
class NvidiaCard:
    """A GPU that the NVIDIA driver knows, whatever PyTorch makes of it.

    Attributes:
        title: its name.
        driver: version of the driver.
        total: memory in bytes.
        free: free memory in bytes.
    """

    title: str
    driver: str
    total: int
    free: int


def probe(python: str = sys.executable) -> list[str]:
    """The command that tries PyTorch in a Python."""
    return [python, "-m", "DMRIPretrainLib.computer.torch_probe"]


def try_torch(command: Sequence[str] | None = None, patience: float = PATIENCE) -> TorchState:
    """Import PyTorch and try its devices, in another process: a crash there is an answer and no crash here.

    Args:
        command: what to run; by default :func:`probe`.
        patience: seconds after which it is given up.
    """
    paths = [str(_LIBRARY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_WAIT_POLICY": "PASSIVE"}
    try:
        done = subprocess.run(
            command or probe(),
            capture_output=True,
            timeout=patience,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        return _state(error.stdout or b"", f"it did not answer within {patience:g} s")
    except OSError as error:
        return TorchState(crash=f"another Python cannot be started ({error})")
    return _state(done.stdout, "" if done.returncode == 0 else _reason(done.returncode, done.stderr))


def _state(output: bytes, crash: str) -> TorchState:
    said: dict[str, list[dict[str, Any]]] = {"torch": [], "device": [], "result": []}
    for line in output.decode(errors="replace").splitlines():
        try:
            content = json.loads(line)
            said[content.pop("kind")].append(content)
        except (ValueError, KeyError, AttributeError, TypeError):  # other libraries print what they like
            continue
    if not said["torch"]:
        return TorchState(crash=crash or "it said nothing")
    results = {result.pop("name"): result for result in said["result"]}
    devices = []
    for content in said["device"]:
        result = results.get(content["name"], {"works": False, "error": crash or "it said nothing"})
        capability = tuple(content.pop("capability", None) or ()) or None
        devices.append(Device(**content, capability=capability, works=result["works"], error=result["error"]))
    about = said["torch"][0] | {"architectures": tuple(said["torch"][0]["architectures"])}
    return TorchState(**about, devices=tuple(devices), crash=crash)


def _reason(code: int, messages: bytes) -> str:
    lines = messages.decode(errors="replace").strip().splitlines()
    if code < 0:
        return f"it was ended by signal {-code}"
    return lines[-1][:300] if lines else f"it ended with code {code}"


def nvidia_cards() -> list[NvidiaCard]:
    """GPUs by the tool of NVIDIA's driver; empty where there is no such driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = "--query-gpu=name,driver_version,memory.total,memory.free"
    try:
        done = subprocess.run(
            [tool, query, "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return cards_from_table(done.stdout)


def cards_from_table(text: str) -> list[NvidiaCard]:
    """GPUs from lines of name, driver version, total and free memory in MiB."""
    cards = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 4 and cells[2].isdigit() and cells[3].isdigit():
            cards.append(NvidiaCard(cells[0], cells[1], 2**20 * int(cells[2]), 2**20 * int(cells[3])))
    return cards


def has_kernels(architectures: Sequence[str], capability: tuple[int, int]) -> bool:
    """Whether a PyTorch that was compiled for some architectures runs on a GPU of this compute capability.

    Machine code (``sm_80``) runs on the same major version with the same or a later minor one; that of a single
    architecture (``sm_90a``) on this one alone; intermediate code (``compute_90``) on all later ones (CUDA Programming
    Guide, "GPU Compilation").
    """
    for architecture in architectures:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", architecture)
        if not match:
            continue
        compiled = int(match[2]), int(match[3])
        same = compiled == capability if match[4] else compiled[0] == capability[0] and compiled <= capability
        if same or (match[1] == "compute" and not match[4] and compiled <= capability):
            return True
    return False


def torch_findings(torch: TorchState, cards: Sequence[NvidiaCard], installed: bool) -> list[Finding]:
    """What is wrong with PyTorch and its devices.

    Args:
        torch: from :func:`try_torch`.
        cards: from :func:`nvidia_cards`.
        installed: whether there is a PyTorch at all; that it is missing is told with the other packages.
    """
    if torch.version is None:
        if not installed:
            return []
        message = f"expected that PyTorch can be imported, found that it cannot: {torch.crash}"
        action = f"remove it and install it again: {sys.executable or 'python'} -m pip uninstall torch, then as usual"
        if sys.platform == "win32":
            action += "; the Microsoft Visual C++ Redistributable must be there too"
        return [Finding("error", "torch-broken", message, action, "torch")]
    findings = [finding for device in torch.devices if (finding := _device_finding(device, torch))]
    if torch.crash and not findings:
        message = f"expected that PyTorch ends as it should, found that {torch.crash}"
        findings.append(Finding("warning", "torch-crash", message, "install it again if training fails", "torch"))
    if not torch.numpy:
        message = f"expected a PyTorch that works with the NumPy installed, found {torch.version}, which does not"
        action = "install a later PyTorch, or numpy<2"
        findings.append(Finding("error", "torch-numpy", message, action, "torch"))
    has_cuda = any(device.name.startswith("cuda") for device in torch.devices)
    if cards and not has_cuda:
        findings.append(_unused_card(torch, cards[0]))
    return findings


def _unused_card(torch: TorchState, card: NvidiaCard) -> Finding:
    if torch.cuda_build is None:
        message = f"expected a PyTorch with CUDA for the {card.title}, found {torch.version}, which computes on the CPU"
        action = "to use the GPU, install a CUDA build: in Slicer with the extension PyTorch, elsewhere from "
        return Finding("warning", "gpu-unused", message, action + "https://pytorch.org/get-started/locally", card.title)
    message = (
        f"expected that PyTorch {torch.version} (CUDA {torch.cuda_build}) sees the {card.title}, found that it does "
        f"not with the driver {card.driver}"
    )
    action = "update the driver of the GPU, and see that CUDA_VISIBLE_DEVICES does not hide it"
    return Finding("warning", "gpu-unseen", message, action, card.title)


def _device_finding(device: Device, torch: TorchState) -> Finding | None:
    on_cuda = device.name.startswith("cuda") and torch.hip_build is None
    if on_cuda and device.capability and not has_kernels(torch.architectures, device.capability):
        wanted = "sm_{}{}".format(*device.capability)
        message = (
            f"expected a PyTorch with kernels for {device.title} ({wanted}), found {torch.version} with those for "
            f"{', '.join(torch.architectures) or 'no GPU'}"
        )
        return Finding("error", "no-kernel", message, _OTHER_TORCH, device.name)
    if not device.works:
        # Only a GPU of CUDA is taken without being named.
        severity = "warning" if device.name == "mps" else "error"
        message = f"expected the right result of a small computation on {device.title}, found: {device.error}"
        action = "install PyTorch again" if device.name == "cpu" else "update the driver, or choose --device cpu"
        return Finding(severity, "device-broken", message, action, device.name)  # type: ignore[arg-type]
    if on_cuda and device.free is not None and device.free < _LITTLE_GPU_MEMORY:
        message = f"expected 3 GB of free memory on {device.title}, found {device.free / 2**30:.1f} GB"
        return Finding("warning", "gpu-memory", message, "close other programs that use the GPU", device.name)
    return None
