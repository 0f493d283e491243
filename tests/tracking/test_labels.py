"""What people read in MLflow: few parameters, each of use, and a description."""

from benchmark.ablation.plan import PlannedRun
from benchmark.tracking.labels import (
    accepted,
    child_tags,
    judged_name,
    metric_name,
    newest_last,
    note,
    parameters,
    parent_tags,
)
from tests.conftest import tiny_evaluation, tiny_spec
from tests.report.material import plan


def test_parameters_are_what_is_swept_and_what_is_not_a_default() -> None:
    shown = parameters(PlannedRun(tiny_spec(), {"method.gamma": 0.5}))
    assert shown["method.gamma"] == 0.5  # its default, and swept
    assert shown["method.n"] == 2
    assert shown["seed"] == 0
    assert "method.lambda_k" not in shown
    assert "data.view.crop" not in shown
    assert len(shown) <= 20


def test_a_swept_block_is_shown_key_by_key() -> None:
    turned = tiny_spec(data={"view": {"name": "rotated", "degrees": 9.0}})
    shown = parameters(PlannedRun(turned, {"data.view": {"name": "rotated", "degrees": 9.0}}))
    assert (shown["data.view.name"], shown["data.view.degrees"]) == ("rotated", 9.0)
    assert "data.view.crop" in shown  # all of it is what was swept
    assert not [value for value in shown.values() if isinstance(value, dict)]


def test_tags_group_the_seeds_of_a_cell() -> None:
    made = plan()
    tags = [child_tags(made, planned) for planned in made.runs]
    assert [each["cell"] for each in tags] == ["BEGAN"] * 3 + ["EBGAN-PT"] * 3
    assert {each["method"] for each in tags} == {"began", "ebgan"}
    assert len({each["bench.run_id"] for each in tags}) == 6


def test_what_mlflow_draws_first_is_one_seed_of_every_cell() -> None:
    shown = [planned.label for planned in newest_last(plan())][::-1]
    assert shown[:3] == ["BEGAN seed=0", "EBGAN-PT seed=0", "BEGAN seed=1"]
    assert len(shown) == 6


def test_the_description_asks_and_says_where_the_answer_is() -> None:
    text = note(plan())
    assert text.startswith("**Which is better on the same data?** (EBGAN, section 4)")
    assert "BEGAN is better (the review): its verdict is the tag `verdict.began-better`" in text
    assert parent_tags(plan())["mlflow.note.content"] == text


def test_metrics_stand_in_groups() -> None:
    assert metric_name("train", "m_global", "m_global") == "convergence/m_global"
    assert metric_name("train", "k", "m_global") == "equilibrium/k"
    assert metric_name("train", "l_real", "m_global") == "train/l_real"
    assert metric_name("heldout", "heldout_l_real", "m_global") == "heldout/heldout_l_real"
    judges = {"usual": {"features": "efficientnet_lite0", "samples": 60}, "faces": {"samples": 60}}
    evaluation = tiny_evaluation(judges=judges)
    assert judged_name(evaluation, "usual", "kid") == "eval/kid"  # the headline
    assert judged_name(evaluation, "usual", "distance") == "convergence/distance"
    assert judged_name(evaluation, "faces", "distance") == "eval_faces/distance"


def test_names_are_as_mlflow_takes_them() -> None:
    from mlflow.utils.validation import _validate_metric_name

    for name in ("train/l_real", "eval/kid", "data.view.degrees", "schritt-ü 2"):
        assert accepted(name) == name
    odd = ["L(x)", "L[x]", "fid@1", "a//b", "/a", "a/", "..", "../a", "a/./b", "", "x" * 900]
    taken = [accepted(name) for name in odd]
    assert taken[0].startswith("L_x_.")
    assert len(set(taken)) == len(odd)  # no two are taken for one
    for name in taken:
        _validate_metric_name(name)
        assert 0 < len(name) <= 250
