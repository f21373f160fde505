"""What a device can do at best."""

import time
from collections.abc import Callable


def peak_rate(device: str, edge: int = 2048) -> float:
    """Floating point operations a second of a large product of matrices: what a device can do at best.

    Single precision on a CPU, half precision (bfloat16) on a GPU that has it, as in training.
    """
    import torch

    on_gpu = device.startswith("cuda")
    half = on_gpu and torch.cuda.is_bf16_supported()
    edge = 8192 if on_gpu else edge
    matrix = torch.randn(edge, edge, device=device, dtype=torch.bfloat16 if half else torch.float32)

    def multiply() -> None:
        _ = matrix @ matrix
        if on_gpu:
            torch.cuda.synchronize()

    multiply()
    return 2 * edge**3 / min(seconds_of(multiply) for _ in range(5))


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
