"""Every fault of an ablation file is one line that names the file, the key and the mend."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.ablation import check, load
from benchmark.errors import InputError

GAMMA = Path(__file__).parents[1] / "ablations" / "gamma.yaml"


def test_shipped_file_plans_every_profile() -> None:
    assert {plan.profile: len(plan.runs) for plan in check(GAMMA)} == {
        "demo": 6,
        "short": 9,
        "paper": 15,
    }


FAULTS = [
    ("gamma: 0.5", "gama: 0.5", "method.gama", "did you mean 'gamma'"),
    ("gamma: 0.5", "gamma: 1.5", "method.began.gamma|method.gamma", "found 1.5"),
    ("size: 64", "size: 48", "data.size", "halve down to 8"),
    ("[0.3, 0.5, 0.7]", "[]", "sweep.method.gamma", "a list of values"),
    ("[0.3, 0.5, 0.7]", "[0.3, 0.3]", "sweep", "same run"),
    ("seeds: [0, 1]", "seeds: [1, 1]", "seeds", "twice"),
    ("column: recall", "column: recal", "claims.gamma-variety.test.column", "did you mean"),
    ("over: method.gamma", "over: method.n", "claims.gamma-variety.test.over", "method.gamma"),
    ("every: 10000", "every: often", "evaluation.every", "found 'often'"),
    ("steps: 200000", "steps: true", "training.steps", "found True"),
    ("on: stall", "on: stal", "training.lr_decay", "'stall', 'schedule', 'never'"),
    ("question:", "questoin:", "questoin", "did you mean 'question'"),
    ("claims:", "claim:", "claim", "did you mean 'claims'"),
    ("patience: 5000", "patience: 5100", "training.lr_decay", "multiple of window"),
    ("window: 500", "windo: 500", "training.lr_decay.windo", "did you mean 'window'"),
    ("  demo:\n", "  demo:\n    dat: {}\n", "profiles.demo.dat", "did you mean 'data'"),
    ("name: celeba", "name: celebb", "data", "'faces', 'celeba'"),
    ("base:", "base: {", "not YAML", "line"),
]


@pytest.mark.parametrize(("old", "new", "key", "word"), FAULTS)
def test_fault_is_one_clear_line(old: str, new: str, key: str, word: str, tmp_path: Path) -> None:
    text = GAMMA.read_text()
    assert old in text
    file = tmp_path / "fault.yaml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        check(file)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert "\n" not in message
    assert any(part in message for part in key.split("|"))
    assert word in message
    assert [p.name for p in tmp_path.iterdir()] == ["fault.yaml"]  # nothing written


def test_run_ids_hash_what_is_resolved() -> None:
    plain = load(GAMMA, "short")
    spelt_out = load(GAMMA, "short", ("training.steps=3000", "method.eta=1"))
    longer = load(GAMMA, "short", ("training.steps=3001",))
    assert [r.run_id for r in plain.runs] == [r.run_id for r in spelt_out.runs]
    assert not {r.run_id for r in plain.runs} & {r.run_id for r in longer.runs}
    assert longer.overrides == ("training.steps=3001",)


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("training.steps", "KEY=VALUE"),
        ("method.gamma=0.5", "sweeps"),
        ("trainin.steps=1", "training"),
        ("seeds=[0, 0]", "twice"),
        ("data.size=[", "not a YAML value"),
    ],
)
def test_bad_override(override: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        load(GAMMA, "demo", (override,))


def test_grid_is_crossed_with_paired_settings(tmp_path: Path) -> None:
    file = tmp_path / "paired.yaml"
    pairs = "  paired: [{method.h: 16, method.z: 128}, {method.h: 128, method.z: 16}]\n"
    text = GAMMA.read_text().replace("sweep:\n", f"sweep:\n{pairs}")
    file.write_text(text)
    plan = load(file, "demo")
    assert len(plan.runs) == 3 * 2 * 2
    assert plan.runs[0].label == "gamma=0.3 h=16 z=128 seed=0"
    assert (plan.runs[0].spec.method.h, plan.runs[0].spec.method.z) == (16, 128)


def test_planning_needs_no_torch() -> None:
    modules = "benchmark.cli, benchmark.ablation, benchmark.estimate, benchmark.executors.local"
    code = f"import sys, {modules}; assert not {{'torch', 'mlflow', 'pandas'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
