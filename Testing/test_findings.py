from DMRIPretrainLib.findings import Finding, errors_first, has_errors


def test_lines_are_taken_apart_at_the_last_semicolon() -> None:
    finding = Finding.from_line("error", "code", "a.nii: damaged (x; y); copy it again", "case")
    assert (finding.message, finding.action) == ("a.nii: damaged (x; y)", "copy it again")
    assert finding.text == "a.nii: damaged (x; y); copy it again"
    assert Finding.from_line("error", "code", "nothing to do").text == "nothing to do"


def test_errors_come_first_and_keep_their_order() -> None:
    findings = [Finding(severity, code, "") for severity, code in (("warning", "a"), ("error", "b"), ("error", "c"))]
    assert [finding.code for finding in errors_first(findings)] == ["b", "c", "a"]
    assert has_errors(findings)
    assert not has_errors(findings[:1])
