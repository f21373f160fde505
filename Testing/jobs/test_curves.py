import itertools

from DMRIPretrainLib.jobs.curves import Curves


def metric(step, value, name="loss"):
    return {"time": 0, "kind": "metric", "name": name, "step": step, "value": value}


def test_points_come_back_by_name_and_step():
    curves = Curves()
    curves.add([metric(0, 1.0), metric(0, 0.5, "score"), {"time": 0, "kind": "state", "state": "running"}])
    curves.add([metric(2, 0.5)])
    assert curves.by_name == {"loss": [(0, 1.0), (2, 0.5)], "score": [(0, 0.5)]}


def test_a_long_curve_keeps_its_shape_and_its_last_point_in_little_memory():
    curves = Curves()
    curves.add(metric(step, float(step)) for step in range(100_001))
    points = curves.by_name["loss"]
    assert 500 < len(points) <= 2002
    assert all(step == value for step, value in points)
    steps = [step for step, _ in points]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 100_000)
    gaps = [after - before for before, after in itertools.pairwise(steps)]
    assert max(gaps) <= 128


def test_a_run_that_went_back_draws_these_steps_again():
    curves = Curves()
    curves.add([metric(2, 0.9), metric(4, 0.8), metric(6, 0.1), metric(4, 0.7)])
    assert curves.by_name["loss"] == [(2, 0.9), (4, 0.7)]


def test_what_is_no_number_is_no_point():
    curves = Curves()
    curves.add([metric(1, None), metric("x", 1.0), metric(1, float("inf")), metric(1, 2.0, name=7), metric(1, True)])
    assert set(curves.by_name) <= {"loss"}
    curves.add([{"time": 0, "kind": "metric"}])


def test_names_without_end_are_not_kept():
    curves = Curves()
    curves.add(metric(0, 1.0, f"name {number}") for number in range(10_000))
    assert len(curves.by_name) == 200


def test_the_last_warnings_are_kept():
    curves = Curves()
    curves.add({"time": 0, "kind": "warning", "message": f"number {number}"} for number in range(20))
    assert list(curves.warnings)[-1] == "number 19"
    assert len(curves.warnings) == 5
