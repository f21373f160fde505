from dataclasses import replace
from pathlib import Path

import pytest

from DMRIPretrainLib.errors import UserError
from DMRIPretrainLib.training.cases import CaseFiles, find_cases, read_label_names, split_cases

ALL = ("segmentation", "crossings", "orientation")
FILES = {"segmentation": "segmentation.nii.gz", "crossings": "crossings.nii.gz", "orientation": "peaks.nii.gz"}


def label_folder(folder: Path, tasks=ALL) -> Path:
    folder.mkdir(parents=True)
    for task in tasks:
        (folder / FILES[task]).touch()
    return folder


def table(folder: Path, text: str) -> Path:
    path = folder / "cases.csv"
    path.write_text(text)
    return path


def refusal(source: Path, tasks=("segmentation",), labels=None) -> str:
    with pytest.raises(UserError) as caught:
        find_cases(source, tasks, labels)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_table_with_label_folders(tmp_path):
    label_folder(tmp_path / "labels" / "a")
    path = table(
        tmp_path,
        "scan,labels,subject,split,mask,bval,bvec\n"
        "a/dwi.nii.gz,labels/a,Ann,training,a/mask.nii.gz,a/x.bval,a/x.bvec\n"
        "/elsewhere/b.nrrd,labels/a,,validation,,,\n",
    )
    first, second = find_cases(path, ALL)
    assert first == CaseFiles(
        name="a/dwi.nii.gz",
        scan=tmp_path / "a/dwi.nii.gz",
        labels={task: tmp_path / "labels" / "a" / name for task, name in FILES.items()},
        subject="Ann",
        split="training",
        mask=tmp_path / "a/mask.nii.gz",
        bval=tmp_path / "a/x.bval",
        bvec=tmp_path / "a/x.bvec",
    )
    assert second.scan == Path("/elsewhere/b.nrrd")
    assert second.split == "validation"
    assert second.mask is None
    assert second.subject


def test_table_with_a_column_for_each_map(tmp_path):
    label_folder(tmp_path / "labels", ("crossings",))
    (tmp_path / "mine.nii.gz").touch()
    text = "\ufeffscan,segmentation,peaks,labels\n a.nii.gz ,mine.nii.gz,mine.nii.gz,labels\n"
    (case,) = find_cases(table(tmp_path, text), ALL)
    assert case.scan == tmp_path / "a.nii.gz"
    assert case.labels == {
        "segmentation": tmp_path / "mine.nii.gz",
        "orientation": tmp_path / "mine.nii.gz",
        "crossings": tmp_path / "labels" / "crossings.nii.gz",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("labels\nlabels\n", "expected the column scan"),
        ("scan,lables\na.nii,labels\n", "unknown columns lables"),
        ("", "found columns none"),
        ("scan,labels\n,labels\n", "a scan in line 2"),
        ("scan,labels,split\na.nii,labels,\nb.nii,labels,test\n", "in line 3, found 'test'"),
        ("scan,labels\n", "at least one scan"),
        ("scan,labels\na.nii,nothing\n", "folder with label maps"),
        ("scan,segmentation\na.nii,nothing.nii\n", "nothing.nii"),
        ("scan,segmentation\na.nii,\n", "to learn segmentation"),
        ("scan,labels\na.nii,labels,more,and more\n", "line 2"),
    ],
)
def test_each_error_of_a_table_is_one_clear_line(tmp_path, text, expected):
    label_folder(tmp_path / "labels")
    message = refusal(table(tmp_path, text))
    assert expected in message


def test_an_unreadable_table_is_refused(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_bytes(b"scan,labels\n\xff\xfe\xff,labels\n")
    assert "CSV table" in refusal(path)
    assert "CSV table" in refusal(tmp_path / "missing.csv")


def test_a_task_without_its_map_is_refused(tmp_path):
    label_folder(tmp_path / "labels", ("segmentation",))
    path = table(tmp_path, "scan,labels\na.nii,labels\n")
    assert len(find_cases(path, ("segmentation",))) == 1
    message = refusal(path, ("segmentation", "orientation"))
    assert "peaks.nii.gz" in message
    assert "a.nii" in message


def bids(root: Path, names=("01", "02", "03")) -> Path:
    for name in names:
        folder = root / f"sub-{name}" / "dwi"
        folder.mkdir(parents=True)
        for ending in ("nii.gz", "bval", "bvec"):
            (folder / f"sub-{name}_dwi.{ending}").touch()
    return root


def test_bids_folder_with_labels(tmp_path):
    root = bids(tmp_path / "study")
    for name in ("01", "03"):
        label_folder(tmp_path / "labels" / f"sub-{name}_dwi")
    cases = find_cases(root, ALL, tmp_path / "labels")
    assert [case.subject for case in cases] == ["01", "03"]  # without labels there is nothing to learn from
    assert cases[1].scan == root / "sub-03" / "dwi" / "sub-03_dwi.nii.gz"
    assert cases[1].bvec == root / "sub-03" / "dwi" / "sub-03_dwi.bvec"
    assert cases[1].labels["orientation"] == tmp_path / "labels" / "sub-03_dwi" / "peaks.nii.gz"


def test_bids_sessions_belong_to_one_subject(tmp_path):
    for session in ("a", "b"):
        folder = tmp_path / "study" / "sub-01" / f"ses-{session}" / "dwi"
        folder.mkdir(parents=True)
        (folder / f"sub-01_ses-{session}_dwi.nii.gz").touch()
        label_folder(tmp_path / "labels" / f"sub-01_ses-{session}_dwi")
    cases = find_cases(tmp_path / "study", ALL, tmp_path / "labels")
    assert [case.subject for case in cases] == ["01", "01"]


def test_bids_folder_needs_labels(tmp_path):
    root = bids(tmp_path / "study")
    assert "--labels" in refusal(root)
    label_folder(tmp_path / "labels" / "sub-99_dwi")
    assert "sub-01_dwi" in refusal(root, labels=tmp_path / "labels")


def test_one_scan_with_its_labels(tmp_path):
    (case,) = find_cases(tmp_path / "dwi.nii.gz", ALL, label_folder(tmp_path / "labels"))
    assert case.scan == tmp_path / "dwi.nii.gz"
    assert set(case.labels) == set(ALL)
    assert "--labels" in refusal(tmp_path / "dwi.nii.gz")
    assert "found none" in refusal(tmp_path / "dwi.nii.gz", labels=tmp_path / "nothing")


def cases_of(*subjects: str, splits=None) -> list[CaseFiles]:
    splits = splits or [""] * len(subjects)
    return [
        CaseFiles(f"case {n}", Path(f"{n}.nii"), subject=subject, split=split)
        for n, (subject, split) in enumerate(zip(subjects, splits, strict=True))
    ]


@pytest.mark.parametrize("seed", range(20))
def test_no_subject_is_on_both_sides(seed):
    cases = cases_of(*"aabbbccddeefffgghh")
    training, validation = split_cases(cases, seed)
    assert {case.subject for case in training}.isdisjoint(case.subject for case in validation)
    assert sorted(case.name for case in training + validation) == sorted(case.name for case in cases)
    assert len({case.subject for case in validation}) == 2  # a fifth of eight
    assert split_cases(cases, seed) == (training, validation)


def test_seed_decides_who_is_held_out():
    held = {split_cases(cases_of(*"abcdefgh"), seed)[1][0].subject for seed in range(20)}
    assert len(held) > 3


def test_the_word_of_the_user_counts():
    cases = cases_of(*"abcd", splits=["training", "", "validation", "validation"])
    training, validation = split_cases(cases, 0)
    assert [case.subject for case in training] == ["a", "b"]
    assert [case.subject for case in validation] == ["c", "d"]


@pytest.mark.parametrize("seed", range(10))
def test_training_cases_of_the_user_are_never_held_out(seed):
    cases = cases_of(*"abcde", splits=["training"] * 4 + [""])
    training, validation = split_cases(cases, seed)
    assert [case.subject for case in validation] == ["e"]
    assert len(training) == 4


def test_training_cases_alone_leave_nothing_to_validate_with():
    with pytest.raises(UserError, match="validation"):
        split_cases(cases_of(*"abc", splits=["training"] * 3), 0)


def test_sessions_of_a_validation_subject_are_not_trained_on():
    """Only one session is marked; the other one shows the same brain."""
    cases = cases_of("a", "a", "b", splits=["validation", "", ""])
    training, validation = split_cases(cases, 0)
    assert [case.subject for case in training] == ["b"]
    assert [case.name for case in validation] == ["case 0", "case 1"]


def test_a_subject_marked_for_both_sides_is_refused():
    with pytest.raises(UserError, match="subject a"):
        split_cases(cases_of("a", "a", "b", splits=["validation", "training", ""]), 0)


def test_a_single_subject_is_on_both_sides_to_be_divided_later():
    cases = cases_of("a", "a")
    training, validation = split_cases(cases, 0)
    assert training is validation
    assert training == cases
    nameless = [replace(case, subject="") for case in cases_of("a")]
    assert split_cases(nameless, 0)[0] == nameless


def test_label_names(tmp_path):
    path = tmp_path / "dseg.tsv"
    path.write_text("index\tname\tabbreviation\n0\tBackground\tBG\n17\tLeft hippocampus\tLH\n")
    assert read_label_names(path) == {0: "Background", 17: "Left hippocampus"}
    for text in ("index,name\n1,x\n", "index\tname\none\tx\n", "value\tname\n1\tx\n", "index\tname\n1\n"):
        path.write_text(text)
        with pytest.raises(UserError, match="index and name"):
            read_label_names(path)
    with pytest.raises(UserError, match="index and name"):
        read_label_names(tmp_path / "missing.tsv")
