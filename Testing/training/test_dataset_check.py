"""Datasets with every fault at once: none hides another, and each says what to do."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from DMRIPretrainLib.training.cases import find_cases, split_cases
from DMRIPretrainLib.training.dataset_check import DatasetReport, check_dataset

SHAPE = (12, 12, 12)
Codes = set[tuple[str, str, str]]


class Study:
    """Simulated scans and label maps in a folder, listed in a table."""

    def __init__(self, folder: Path, make_dwi: Callable, save_dwi: Callable) -> None:
        self.folder, self._make, self._save = folder, make_dwi, save_dwi
        self.rows: list[dict[str, str]] = []

    def add(self, name: str, labels: np.ndarray | None = None, affine: np.ndarray | None = None, **row: str) -> Path:
        """A scan of its own with three labels in slabs, or others."""
        scan = self._make(SHAPE, snr=30, seed=len(self.rows) + 1)
        path = self._save(scan, f"{name}/dwi.nii.gz", self.folder)
        nib.save(nib.Nifti1Image(scan.mask.astype(np.uint8), scan.affine), path.with_name("mask.nii.gz"))
        values = slabs() * scan.mask if labels is None else labels
        nib.save(nib.Nifti1Image(values, scan.affine if affine is None else affine), path.with_name("seg.nii.gz"))
        self.list(path, path.with_name("seg.nii.gz"), **row)
        return path

    def list(self, scan: Path, segmentation: Path, **row: str) -> None:
        self.rows.append({"scan": str(scan), "segmentation": str(segmentation), "subject": "", "split": ""} | row)

    def check(self, **options: object) -> DatasetReport:
        table = self.folder / "cases.csv"
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.rows[0])
            writer.writeheader()
            writer.writerows(self.rows)
        return check_dataset(table, ("segmentation",), gradients=False, **options)  # type: ignore[arg-type]


def slabs() -> np.ndarray:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[:4], labels[4:8], labels[8:] = 1, 2, 3
    return labels


def codes(report: DatasetReport) -> Codes:
    return {(finding.severity, finding.code, finding.where) for finding in report.findings}


@pytest.fixture
def study(tmp_path: Path, make_dwi, save_dwi) -> Study:
    return Study(tmp_path, make_dwi, save_dwi)


def test_a_good_dataset(study: Study) -> None:
    for name in "abc":
        study.add(name)
    report = study.check()
    assert report.findings == ()
    assert report.works
    # The split is the one that fine-tuning makes.
    files = find_cases(study.folder / "cases.csv", ("segmentation",))
    _, validation = split_cases(files, 0)
    assert [case.name for case in report.cases if case.side == "validation"] == [case.name for case in validation]
    assert {label.name for label in report.labels} == {"CSF", "GM", "WM"}
    assert sum(label.share for label in report.labels) == pytest.approx(1)
    assert json.loads(json.dumps(report.to_json()))["cases"][0]["voxel_size"] == [2.0, 2.0, 2.0]


def test_no_fault_hides_another(study: Study) -> None:
    study.add("good1")
    study.add("good2")
    study.add("shape", labels=slabs()[:-1])
    study.add("shifted", affine=np.array([[2, 0, 0, 0], [0, 2, 0, 6], [0, 0, 2, 0], [0, 0, 0, 1.0]]))
    study.add("soft", labels=slabs() * np.float32(0.3))
    study.add("empty", labels=slabs() * 0)
    corner = np.zeros(SHAPE, dtype=np.uint8)
    corner[0, 0, 0] = 1
    study.add("outside", labels=corner)
    truncated = study.add("truncated")
    truncated.write_bytes(truncated.read_bytes()[:5000])
    (study.add("unlabelled").with_name("seg.nii.gz")).unlink()
    shutil.rmtree(study.add("gone").parent)
    nan = study.add("nan")
    image = nib.load(nan)
    data = image.get_fdata(dtype=np.float32)
    data[5, 5, 5, 3] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), nan)
    (study.add("mask").with_name("mask.nii.gz")).write_text("no image")
    study.add("split", split="test")
    report = study.check()
    errors = {
        (code, where.removesuffix("/dwi.nii.gz")) for severity, code, where in codes(report) if severity == "error"
    }
    assert errors == {
        ("label-geometry", "shape"),
        ("label-geometry", "shifted"),
        ("label-values", "soft"),
        ("label-empty", "empty"),
        ("label-outside-mask", "outside"),
        ("scan-unreadable", "truncated"),
        ("label-missing", "unlabelled"),
        ("scan-unreadable", "gone"),
        ("label-missing", "gone"),
        ("not-finite", "nan"),
        ("mask", "mask"),
        ("case", ""),
    }
    assert not report.works
    assert all(finding.action and "\n" not in finding.text for finding in report.findings)
    assert set(report.rows()[0]) == {"case", "severity", "code", "message", "action"}


def test_a_shifted_label_says_how_far(study: Study) -> None:
    study.add("a")
    study.add("b", affine=np.array([[2, 0, 0, 0], [0, 2, 0, 6], [0, 0, 2, 0], [0, 0, 0, 1.0]]))
    (finding,) = [finding for finding in study.check().findings if finding.code == "label-geometry"]
    assert "6.0 mm away (+0.0 right, +6.0 anterior" in finding.message


def test_labels_partly_outside_the_brain(study: Study) -> None:
    study.add("a", labels=slabs())
    assert ("warning", "label-partly-outside", "a/dwi.nii.gz") in codes(study.check())


def test_the_same_scan_under_two_names_on_both_sides(study: Study) -> None:
    first = study.add("a", subject="a", split="training")
    second = study.add("b", subject="b", split="validation")
    image = nib.load(first)
    # Another file with the same signal: other numbers of bytes, and another type.
    nib.save(nib.Nifti1Image(image.get_fdata().astype(np.float64), image.affine), second)
    assert ("error", "leak-scan", "a/dwi.nii.gz") in codes(study.check())


def test_the_same_scan_twice_on_one_side(study: Study) -> None:
    path = study.add("a", subject="a", split="training")
    study.list(path, path.with_name("seg.nii.gz"), subject="a", split="training")
    study.add("b", subject="b", split="validation")
    assert ("warning", "duplicate", "a/dwi.nii.gz (1)") in codes(study.check())


def test_a_subject_on_both_sides_by_its_files(study: Study) -> None:
    study.add("sub-01/ses-a", split="training")
    study.add("sub-01/ses-b", split="validation")
    found = codes(study.check())
    assert ("error", "leak-subject", "ses-b/dwi.nii.gz") in found


def test_a_subject_on_both_sides_by_the_table(study: Study) -> None:
    study.add("a", subject="Ann", split="training")
    study.add("b", subject="Ann", split="validation")
    assert ("error", "split", "") in codes(study.check())


def test_nothing_to_validate_on(study: Study) -> None:
    study.add("a", split="training")
    study.add("b", split="training")
    assert ("error", "split", "") in codes(study.check())


def test_nothing_to_train_on(study: Study) -> None:
    study.add("a", split="validation")
    study.add("b", split="validation")
    assert ("error", "split", "") in codes(study.check())


def test_a_single_subject_is_divided(study: Study) -> None:
    study.add("a")
    report = study.check()
    assert ("warning", "single-subject", "") in codes(report)
    (case,) = report.cases
    assert case.side == "both"
    trained, held = (sum(part["segmentation"].values()) for part in (case.training, case.validation))
    assert 0.1 < held / (trained + held) < 0.4
    assert report.works


def test_labels_that_one_side_lacks(study: Study) -> None:
    lonely, held = slabs(), slabs()
    lonely[5, 5, 5:8], held[5, 5, 5:8] = 5, 6
    study.add("a", labels=lonely, split="training")
    study.add("b", labels=held, split="validation")
    found = {(finding.code, "label 5" in finding.message) for finding in study.check().findings}
    assert ("label-not-validated", True) in found
    assert ("label-not-trained", False) in found


def test_rare_labels_and_labels_of_one_case(study: Study) -> None:
    lonely = slabs()
    lonely[5, 5, 5] = 9
    study.add("a", labels=lonely, split="training")
    study.add("b", split="training")
    study.add("c", split="validation")
    report = study.check(label_names={1: "x", 2: "y", 3: "z", 4: "never drawn"})
    assert {("warning", "label-in-one-case", "a/dwi.nii.gz"), ("warning", "label-nameless", "segmentation")} <= codes(
        report
    )
    assert ("warning", "label-unused", "segmentation") in codes(report)
    (rare,) = [label for label in report.labels if label.value == 9]
    assert (rare.training, rare.cases) == (1, 1)
    # One voxel of some 1400 is 0.07 %: not rare yet.
    assert "label-rare" not in {finding.code for finding in report.findings}


def test_a_rare_label(study: Study) -> None:
    lonely = slabs()
    lonely[5, 5, 5] = 9
    study.add("a", labels=lonely, split="training")
    study.add("b", split="training")
    study.add("c", split="training")
    study.add("d", labels=lonely, split="validation")
    assert ("warning", "label-rare", "segmentation") in codes(study.check())


def test_one_label_alone(study: Study) -> None:
    study.add("a", labels=np.ones(SHAPE, dtype=np.uint8), split="training")
    study.add("b", split="validation")
    assert ("error", "one-label", "segmentation") in codes(study.check())


def test_files_of_a_single_scan_are_not_for_a_table(study: Study, tmp_path: Path) -> None:
    study.add("a")
    assert ("error", "options", "") in codes(study.check(mask=tmp_path / "mask.nii.gz"))


def test_what_is_no_dataset_is_one_finding(tmp_path: Path) -> None:
    report = check_dataset(tmp_path / "cases.csv", ("segmentation",))
    assert [finding.code for finding in report.findings] == ["cases"]


def test_scans_of_a_bids_folder_without_labels(study: Study, make_dwi, save_dwi, tmp_path: Path) -> None:
    root, labels = tmp_path / "bids", tmp_path / "labels"
    for number in (1, 2, 3):
        name = f"sub-{number}_dwi"
        scan = make_dwi(SHAPE, snr=30, seed=number)
        save_dwi(scan, f"sub-{number}/dwi/{name}.nii.gz", root)
        if number < 3:
            (labels / name).mkdir(parents=True)
            nib.save(nib.Nifti1Image(slabs(), scan.affine), labels / name / "segmentation.nii.gz")
    report = check_dataset(root, ("segmentation",), labels, gradients=False)
    assert ("warning", "unlabelled", "sub-3_dwi") in codes(report)
    assert len(report.cases) == 2
    assert report.works


def test_progress_names_the_cases(study: Study) -> None:
    study.add("a")
    study.add("b")
    told: list[tuple[str, float]] = []
    study.check(progress=lambda step, fraction: told.append((step, fraction)))
    assert [fraction for _, fraction in told] == sorted(fraction for _, fraction in told)
    assert told[0][0].endswith("a/dwi.nii.gz")
    assert told[-1][1] == 1.0


@pytest.mark.parametrize("flip", [False, True])
def test_gradient_orientation_of_a_real_scan(shared_scan_path, tmp_path: Path, flip: bool) -> None:
    source = shared_scan_path("toshiba").parent
    for name in ("dwi.nii.gz", "dwi.bval", "dwi.bvec", "mask.nii.gz"):
        shutil.copy(source / name, tmp_path)
    if flip:
        table = np.loadtxt(tmp_path / "dwi.bvec")
        table[1] *= -1
        np.savetxt(tmp_path / "dwi.bvec", table)
    mask = nib.load(tmp_path / "mask.nii.gz")
    labels = tmp_path / "labels"
    labels.mkdir()
    halves = np.asarray(mask.dataobj).astype(np.uint8)
    halves[halves.shape[0] // 2 :] *= 2
    nib.save(nib.Nifti1Image(halves, mask.affine), labels / "segmentation.nii.gz")
    report = check_dataset(tmp_path / "dwi.nii.gz", ("segmentation",), labels)
    (case,) = report.cases
    assert case.gradients == ("wrong" if flip else "right")
    wrong = [finding for finding in report.findings if finding.code == "gradients-wrong"]
    assert len(wrong) == int(flip)
    assert all("flip y" in finding.message and "--fix-gradients" in finding.action for finding in wrong)
