"""Say in JSON lines what PyTorch can do here; run in a process of its own, since PyTorch may crash.

``python -m DMRIPretrainLib.computer.torch_probe`` prints what PyTorch is, then each device before and after it is
tried, so that the reader knows what was tried last.
"""

import json
import time
from typing import Any

#: How far a device may be from the CPU.
_TOLERANCE = 1e-2


def main() -> None:
    """Import PyTorch, try all devices."""
    import torch

    cuda = torch.cuda.is_available()
    mps = torch.backends.mps.is_available()
    _say(
        kind="torch",
        version=torch.__version__,
        cuda_build=torch.version.cuda,
        hip_build=getattr(torch.version, "hip", None),
        architectures=torch.cuda.get_arch_list() if cuda else [],
        numpy=_numpy_works(torch),
    )
    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count() if cuda else 0))]
    for name in [*names, "mps"] if mps else names:
        _say(kind="device", name=name, **_describe(torch, name))
        _say(kind="result", name=name, **_try(torch, name))


def _describe(torch: Any, name: str) -> dict[str, Any]:
    if not name.startswith("cuda"):
        return {"title": "Apple GPU" if name == "mps" else "CPU"}
    properties = torch.cuda.get_device_properties(name)
    try:
        free = torch.cuda.mem_get_info(name)[0]
    except RuntimeError:
        free = None
    capability = [properties.major, properties.minor]
    return {"title": properties.name, "capability": capability, "total": properties.total_memory, "free": free}


def _try(torch: Any, name: str) -> dict[str, Any]:
    """Whether one step of a tiny network works there, and gives what the CPU gives."""
    start = time.perf_counter()
    try:
        expected, found = _gradient(torch, "cpu"), _gradient(torch, name)
        difference = float((expected - found).abs().max())
    except Exception as error:
        return {"works": False, "error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
    right = difference < _TOLERANCE
    seconds = round(time.perf_counter() - start, 3)
    return {"works": right, "error": "" if right else f"wrong by {difference:.3g}", "seconds": seconds}


def _gradient(torch: Any, name: str) -> Any:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 2, 8, 8, 8, generator=generator).to(name)
    weight = torch.randn(4, 2, 3, 3, 3, generator=generator).to(name).requires_grad_()
    torch.nn.functional.conv3d(image, weight, padding=1).relu().mean().backward()
    return weight.grad.cpu()


def _numpy_works(torch: Any) -> bool:
    """PyTorch before 2.3 does not work with NumPy 2."""
    try:
        return bool(torch.ones(1).numpy()[0] == 1)
    except (RuntimeError, ImportError):
        return False


def _say(**content: Any) -> None:
    print(json.dumps(content), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
