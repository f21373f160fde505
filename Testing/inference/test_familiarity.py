import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from DMRIPretrainLib.inference.familiarity import limits_of, reconstruction_error, unfamiliar, widened
from DMRIPretrainLib.inference.loaded_model import load_models
from DMRIPretrainLib.inference.predict import predict
from DMRIPretrainLib.inference.predictor import Predictor
from DMRIPretrainLib.networks.model import Architecture
from DMRIPretrainLib.networks.model_file import ModelCard, build_model, save_model
from DMRIPretrainLib.qspace.features import QSpaceProjection
from DMRIPretrainLib.qspace.prepare import PreparedScan, prepare_scan
from DMRIPretrainLib.scans.scan import Scan
from DMRIPretrainLib.tasks.registry import default_head

FIBRE = (0.6, 0.64, 0.48)
LIMITS = {"bvalue": [500, 3200], "directions": [12, 64], "shells": [1, 2], "voxel_size": [1.5, 3.0]}


@pytest.fixture
def prepared(make_dwi: Callable[..., Scan]) -> Callable[..., PreparedScan]:
    return lambda **options: prepare_scan(make_dwi((10, 10, 10), **options))


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({}, []),
        ({"bvalues": (700, 3200)}, []),
        ({"bvalues": (3350,)}, []),  # within 5 %
        ({"bvalues": (1000, 5000)}, ["b-value 5000 s/mm², seen 500 to 3200"]),
        ({"bvalues": (300,)}, ["b-value 300 s/mm², seen 500 to 3200"]),
        ({"directions": 8}, ["a shell of 8 directions, seen 12 to 64"]),
        ({"directions": 90, "bvalues": (1000, 2000)}, ["a shell of 90 directions, seen 12 to 64"]),
        ({"bvalues": (700, 1000, 2000)}, ["3 shells, seen 1 to 2"]),
        ({"affine": np.diag([1.25, 2, 2, 1])}, ["voxels of 1.25 mm, seen 1.5 to 3"]),
        ({"affine": np.diag([4.0, 4, 5, 1])}, ["voxels of 4 mm, seen 1.5 to 3", "voxels of 5 mm, seen 1.5 to 3"]),
    ],
)
def test_each_property_outside_is_told_once(prepared, options, lines):
    assert unfamiliar(prepared(**options), LIMITS) == lines


@pytest.mark.parametrize("limits", [{}, {"bvalue": "?", "directions": [12], "shells": None, "voxel_size": ["a", 3]}])
def test_a_model_that_says_nothing_has_no_limits(prepared, limits):
    assert unfamiliar(prepared(bvalues=(9000,)), limits, 30.0) == []


def test_a_large_reconstruction_error_is_told(prepared):
    limits = {"reconstruction_error": {"median": 0.06, "p99": 0.09}}
    scan = prepared()
    assert unfamiliar(scan, limits, 0.089) == unfamiliar(scan, limits) == []
    assert unfamiliar(scan, limits, 0.23) == ["a reconstruction error of 0.230, of familiar scans at most 0.090"]
    assert len(unfamiliar(scan, limits, float("nan"))) == 1
    assert unfamiliar(scan, {"reconstruction_error": [1, 2]}, 9.0) == []


def test_limits_of_scans_hold_them_all(prepared):
    scans = [prepared(bvalues=(700, 2000), directions=20), prepared(affine=np.diag([1.5, 2, 2.5, 1]), directions=45)]
    limits = limits_of(scans)
    expected = {"bvalue": [700, 2000], "directions": [20, 45], "shells": [1, 2], "voxel_size": [1.5, 2.5]}
    assert limits == {name: pytest.approx(values) for name, values in expected.items()}
    assert [unfamiliar(scan, limits) for scan in scans] == [[], []]
    assert widened(limits, {"bvalue": [500, 900], "shells": "?"}) == {"bvalue": pytest.approx([500, 2000])}
    assert widened({}, limits) == {}


class Oracle(nn.Module):
    """Reconstructs the coefficients that a scan would have without noise, times a factor."""

    def __init__(self, clean: PreparedScan, factor: float = 1.0) -> None:
        super().__init__()
        voxel = clean.signal[5, 5, 5].astype(np.float32)
        block = torch.from_numpy(voxel)[:, None, None, None]
        whole = torch.ones(1, 1, 1, dtype=torch.bool)
        self.shells = factor * QSpaceProjection(clean.table)(block, whole, clean.b0_median).shells[:, :, :28]

    def forward(self, decoded: torch.Tensor, bvalues: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert bvalues.shape[1] == self.shells.shape[1]
        return self.shells.expand(-1, -1, -1, *decoded.shape[2:]), decoded[:, :1]


def error_of(make_dwi: Callable[..., Scan], factor: float = 1.0, snr: float = 25.0, **options: object) -> float:
    clean, noisy = (prepare_scan(make_dwi((10, 10, 10), fibre=FIBRE, snr=s, **options)) for s in (np.inf, snr))
    model = build_model(Architecture("tiny", (default_head("crossings"),), reconstruction=True))
    model.reconstruction = Oracle(clean, factor)
    return reconstruction_error(Predictor(model, 16), noisy)


@pytest.mark.parametrize("directions", [6, 8, 12, 15, 30, 64, 90])
@pytest.mark.parametrize("b0s", [1, 6])
@pytest.mark.parametrize("snr", [15.0, 40.0])
def test_noise_is_no_error(make_dwi, directions, b0s, snr):
    """Where the clean signal is reconstructed."""
    assert error_of(make_dwi, directions=directions, b0s=b0s, snr=snr) < 0.02


@pytest.mark.parametrize("bvalues", [(1000,), (700, 1500)])
@pytest.mark.parametrize("directions", [12, 64])
@pytest.mark.parametrize("snr", [15.0, 60.0])
@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_the_error_is_that_of_the_signal(make_dwi, bvalues, directions, snr, factor):
    """A reconstruction that is off by a factor is off by a share of the root mean square of E, whatever the scan."""
    cosines = np.linspace(-1, 1, 2001)
    along = [np.exp(-b * (0.3e-3 + 1.4e-3 * cosines**2)) for b in bvalues]
    expected = abs(factor - 1) * np.sqrt(np.mean(np.square(along)))
    found = error_of(make_dwi, factor, snr=snr, bvalues=bvalues, directions=directions, b0s=6)
    assert found == pytest.approx(expected, rel=0.2)


def test_a_scan_without_noise_has_the_error_of_its_reconstruction(make_dwi):
    assert error_of(make_dwi, snr=np.inf) < 1e-3
    assert error_of(make_dwi, 1.5, snr=np.inf) > 0.2


def test_a_model_without_a_head_for_it_has_no_error(prepared):
    model = build_model(Architecture("tiny", (default_head("crossings"),)))
    with pytest.raises(ValueError, match="reconstruction head"):
        reconstruction_error(Predictor(model, 16), prepared())


def test_predict_is_never_silent_about_a_scan_outside(make_dwi, tmp_path, caplog):
    torch.manual_seed(0)
    model = build_model(Architecture("tiny", (default_head("crossings"),), reconstruction=True))
    limits = {**LIMITS, "directions": [45, 64], "reconstruction_error": {"median": 1e-9, "p99": 2e-9}}
    for name, known in (("narrow", limits), ("silent", {}), ("wide", {**LIMITS, "reconstruction_error": {"p99": 1e9}})):
        save_model(tmp_path / f"{name}.safetensors", model, ModelCard(settings={"patch": 16}, limits=known))
    scan = make_dwi((10, 10, 10), directions=30, snr=30.0)
    said = {}
    for name in ("narrow", "silent", "wide"):
        caplog.clear()
        path = tmp_path / f"{name}.safetensors"
        with caplog.at_level(logging.WARNING):
            report = predict(scan, load_models([path]), tmp_path / name, device="cpu")
        said[name] = report["outside"]
        assert report["models"][str(path)]["reconstruction_error"] > 0
        assert [r.getMessage().split("has seen: ")[1] for r in caplog.records if "has seen" in r.getMessage()] == (
            report["outside"]
        )
        assert (tmp_path / name / "crossings.nii.gz").is_file()
    assert said["silent"] == said["wide"] == []
    assert [line.split(",")[0] for line in said["narrow"]] == [
        "narrow: a shell of 30 directions",
        f"narrow: a reconstruction error of {report['models'][str(path)]['reconstruction_error']:.3f}",
    ]


def test_each_model_speaks_for_itself(make_dwi, tmp_path):
    """The one that was named first is not forgotten."""
    for name, task in (("first", "crossings"), ("second", "segmentation")):
        model = build_model(Architecture("tiny", (default_head(task),)))
        save_model(tmp_path / f"{name}.safetensors", model, ModelCard(limits={"shells": [2, 3]}))
    models = load_models(tmp_path / f"{name}.safetensors" for name in ("first", "second"))
    report = predict(make_dwi((10, 10, 10), snr=30.0), models, tmp_path / "out", device="cpu")
    assert report["outside"] == ["first: 1 shells, seen 2 to 3", "second: 1 shells, seen 2 to 3"]
    assert all("reconstruction_error" not in entry for entry in report["models"].values())


def test_the_error_does_not_depend_on_the_order_of_the_voxels(make_dwi):
    scan = make_dwi((12, 10, 9), fibre=FIBRE, snr=25.0, directions=20)
    turned = replace(
        scan,
        signal=np.ascontiguousarray(scan.signal[::-1]),
        mask=np.ascontiguousarray(scan.mask[::-1]),
        affine=scan.affine @ np.array([[-1.0, 0, 0, 11], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    )
    torch.manual_seed(0)
    predictor = Predictor(build_model(Architecture("tiny", (default_head("crossings"),), reconstruction=True)), 16)
    first, second = (reconstruction_error(predictor, prepare_scan(one)) for one in (scan, turned))
    assert first == pytest.approx(second, rel=1e-4)
