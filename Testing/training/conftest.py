from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from DMRIPretrainLib.jobs.folder import JobFolder
from DMRIPretrainLib.simulation.export import save_scan
from Testing.training.short_pretraining import run, settings_for


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """The number of threads, which a run sets, changes the last digits."""
    patched = pytest.MonkeyPatch()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    patched.setattr(torch, "set_num_threads", lambda _: None)
    yield
    patched.undo()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def two_scans(make_dwi, tmp_path_factory) -> Path:
    """Folder with two small scans of different tables."""
    folder = tmp_path_factory.mktemp("scans")
    for seed, bvalues in enumerate([(1000.0,), (1000.0, 2000.0)]):
        scan = make_dwi((18, 20, 17), bvalues=bvalues, directions=12, snr=20, seed=seed)
        save_scan(folder / f"scan{seed}.nii", scan)
    return folder


@pytest.fixture(scope="module")
def unbroken(one_thread, two_scans, tmp_path_factory) -> JobFolder:
    """A finished job of five steps, with checkpoints after the second, the fourth and the last."""
    return run(tmp_path_factory.mktemp("unbroken") / "job", settings_for(two_scans))
