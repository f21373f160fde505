"""A benchmark of recipes that is as small as can be, run once."""

from dataclasses import replace

import pytest

from DMRIPretrainLib.benchmark.plan import QUICK
from DMRIPretrainLib.benchmark.recipes import RecipeBenchmark

SMALLEST = replace(QUICK, steps=1, pretrain_steps=1, test_scans=1)


@pytest.fixture(scope="session")
def benchmark_folder(tmp_path_factory):
    """Where ``SMALLEST`` was done."""
    folder = tmp_path_factory.mktemp("benchmark")
    assert RecipeBenchmark(SMALLEST, folder).run() == 0
    return folder
