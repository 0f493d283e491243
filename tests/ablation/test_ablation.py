"""Every fault of an ablation file is one line that names the file, the key and the way out."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmark.ablation.plan import check, load
from benchmark.errors import InputError
from benchmark.training.settings import STREAMS

GAMMA = Path(__file__).parents[2] / "ablations" / "gamma.yaml"


def test_shipped_file_plans_every_profile() -> None:
    assert {plan.profile: len(plan.runs) for plan in check(GAMMA)} == {
        "demo": 3,
        "short": 15,
        "small": 15,
        "paper": 15,
    }


FAULTS = [
    ("gamma: 0.5", "gama: 0.5", "method.gama", "did you mean 'gamma'"),
    ("gamma: 0.5", "gamma: 1.5", "method.began.gamma|method.gamma", "found 1.5"),
    ("size: 64", "size: 48", "data.size", "halve down to 8"),
    ("[0.3, 0.5, 0.7]", "[]", "sweep.method.gamma", "a list of values"),
    ("[0.3, 0.5, 0.7]", "[0.3, 0.3]", "sweep", "same run"),
    ("seeds: [0]", "seeds: [1, 1]", "seeds", "twice"),
    ("column: coverage", "column: coverag", "claims.gamma-variety.test.column", "did you mean"),
    ("over: method.gamma", "over: method.n", "claims.gamma-variety.test.over", "method.gamma"),
    ("every: 10000", "every: often", "evaluation.every", "found 'often'"),
    ("steps: 200000", "steps: true", "training.steps", "found True"),
    ("on: stall", "on: stal", "training.lr_decay.on", "did you mean 'stall'"),
    ("name: began", "name: begann", "method.name", "did you mean 'began'?; allowed: ali, "),
    ("name: began, ", "", "method.name", "missing"),
    ("name: celeba", "name: celeb", "data.name", "an import path as in module:Class"),
    ("question:", "questoin:", "questoin", "did you mean 'question'"),
    ("claims:", "claim:", "claim", "did you mean 'claims'"),
    ("patience: 5000", "patience: 5100", "training.lr_decay", "multiple of window"),
    ("window: 500", "windo: 500", "training.lr_decay.windo", "did you mean 'window'"),
    ("  demo:\n", "  demo:\n    dat: {}\n", "profiles.demo.dat", "did you mean 'data'"),
    ("name: celeba", "name: celebb", "data.name", "did you mean 'celeba'"),
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


def swept_seeds(tmp_path: Path, sweep: str, seeds: str = "[0]") -> Path:
    text = GAMMA.read_text().replace("  method.gamma: [0.3, 0.5, 0.7]\n", sweep)
    assert "seeds: [0]\n" in text  # of the demo
    text = text.replace("seeds: [0]\n", f"seeds: {seeds}\n").partition("claims:")[0]
    file = tmp_path / "streams.yaml"
    file.write_text(text)
    return file


def test_seeds_of_streams_are_swept_as_any_key(tmp_path: Path) -> None:
    sweep = "  training.seeds.order: [0, 1]\n  training.seeds.latents: [0, 1]\n"
    plan = load(swept_seeds(tmp_path, sweep, "[0, 1]"), "demo")
    assert len(plan.runs) == len({run.run_id for run in plan.runs}) == 8
    assert plan.runs[2].label == "order=0 latents=1 seed=0"
    assert [plan.runs[3].spec.seed_of(stream) for stream in STREAMS] == [1, 0, 1]


@pytest.mark.parametrize(
    ("sweep", "seeds", "said"),
    [
        (
            "  paired: [{training.seeds.initialisation: 3, training.seeds.order: 4, "
            "training.seeds.latents: 5}]\n",
            "[0, 1]",
            "initialisation=3 order=4 latents=5 seed=1 trains the same weights as "
            "initialisation=3 order=4 latents=5 seed=0",
        ),
        (
            "  training.seeds.order: [null, 0]\n",
            "[0]",
            "order=0 seed=0 trains the same weights as order=None seed=0",
        ),
        ("  training.seeds.ordr: [0, 1]\n", "[0]", "did you mean 'order'"),
        ("  training.seeds.order: [0, -1]\n", "[0]", "training.seeds.order: found -1"),
    ],
)
def test_seeds_of_streams_that_cannot_be(sweep: str, seeds: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(swept_seeds(tmp_path, sweep, seeds), "demo")
    assert said in str(caught.value)


def test_the_lotterys_streams_are_orthogonal_and_each_varies_alone() -> None:
    for plan in check(GAMMA.with_name("lottery.yaml")):
        found = [tuple(run.spec.seed_of(stream) for stream in STREAMS) for run in plan.runs]
        levels = len({seeds[0] for seeds in found})
        assert len(found) == len(set(found)) == 2 * levels**2
        for fixed in ((0, 1), (0, 2), (1, 2)):
            met = Counter(tuple(seeds[at] for at in fixed) for seeds in found)
            assert set(met.values()) == {2}
            assert len(met) == levels**2
        assert plan.seeds == [0]


def test_grid_is_crossed_with_paired_settings(tmp_path: Path) -> None:
    file = tmp_path / "paired.yaml"
    pairs = "  paired: [{method.h: 16, method.z: 128}, {method.h: 128, method.z: 16}]\n"
    text = GAMMA.read_text().replace("sweep:\n", f"sweep:\n{pairs}")
    file.write_text(text)
    plan = load(file, "demo")
    assert len(plan.runs) == 3 * 2
    assert plan.runs[0].label == "gamma=0.3 h=16 z=128 seed=0"
    assert (plan.runs[0].spec.method.h, plan.runs[0].spec.method.z) == (16, 128)


def test_planning_needs_no_torch() -> None:
    modules = "cli", "ablation.plan", "ablation.cost", "executors.local"
    names = ", ".join(f"benchmark.{module}" for module in modules)
    code = f"import sys, {names}; assert not {{'torch', 'mlflow', 'pandas'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


VARIANTS = """sweep:
  variants:
    plain: {}
    wide code: {method: {h: 128}}
    EBGAN: {method: {name: ebgan, n: 64}, training: {lr: 2.0e-4, lr_decay: {on: never}}}
"""


def _with_variants(tmp_path: Path, short: str = "", sweep: str = VARIANTS) -> Path:
    text = GAMMA.read_text()
    text = text[: text.index("claims:")]
    text = text.replace("sweep:\n  method.gamma: [0.3, 0.5, 0.7]\n", sweep)
    file = tmp_path / "variants.yaml"
    file.write_text(text.replace("  short:\n", f"  short:\n{short}"))
    return file


def test_variants_patch_whole_blocks(tmp_path: Path) -> None:
    patch = "    sweep: {variants: {EBGAN: {method: {n: 8}}, wide code: null}}\n"
    plan = load(_with_variants(tmp_path, patch), "short")
    assert [run.label for run in plan.runs[::5]] == ["plain seed=0", "EBGAN seed=0"]
    ebgan = plan.runs[-1].spec
    assert ebgan.method.name == "ebgan"
    assert (ebgan.method.n, ebgan.method.z) == (8, 100)  # its own defaults, not BEGAN's settings
    assert (ebgan.training.lr, ebgan.training.lr_decay.on) == (2e-4, "never")
    assert ebgan.training.steps == 3000  # what the variant does not name is the profile's
    paper = load(_with_variants(tmp_path), "paper")
    assert {run.cell for run in paper.runs} == {"plain", "wide code", "EBGAN"}
    assert plan.swept == ["variant"]


def test_variants_are_crossed_with_the_grid(tmp_path: Path) -> None:
    sweep = f"{VARIANTS}  data.view.crop: [128, 178]\n"
    plan = load(_with_variants(tmp_path, sweep=sweep), "demo")
    assert len(plan.runs) == 3 * 2
    assert plan.runs[-1].label == "EBGAN crop=178 seed=0"
    assert plan.runs[-1].spec.data.view.crop == 178


@pytest.mark.parametrize(
    ("sweep", "word"),
    [
        ("sweep:\n  variants: [a]\n", "NAME: settings"),
        ("sweep:\n  variants: {a: {metod: {}}}\n", "did you mean 'method'"),
        ("sweep:\n  variants: {a/b: {}}\n", "allowed: up to 40 letters"),
        ("sweep:\n  variants: {a: null}\n", "every one is left out"),
        ("sweep:\n  variants: {a: {method: {q: 1}}}\n", "method.q: unknown key"),
        ("sweep:\n  variants: {a: {}, b: {}}\n", "is the same run as"),
    ],
)
def test_bad_variants(sweep: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=word) as caught:
        check(_with_variants(tmp_path, sweep=sweep))
    assert "\n" not in str(caught.value)


def test_every_shipped_file_is_sound() -> None:
    files = sorted(GAMMA.parent.glob("*.yaml"))
    assert len(files) >= 10
    for file in files:
        plans = {plan.profile: plan for plan in check(file)}
        assert set(plans) == {"demo", "short", "small", "paper"}
        assert [plan.finding for plan in plans.values()].count(False) == 1
        assert not plans["demo"].finding
        assert plans["paper"].name == file.stem
        # A face network alone counts identities, and is least misled by blur.
        by_faces = file.stem in ("minority", "mixture")
        headline = "dlib_face" if by_faces else "inception_2015"
        assert plans["paper"].evaluation.headline == headline


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (
            "  training:\n    steps: 200000",
            "  1: {}\n  training:\n    steps: 200000",
            "Invalid key 1",
        ),
        ("gamma: 0.5", "gamma: 0.5, true: 1", "Invalid key True: not text; put it in quotes"),
        ("seeds: [0, 1, 2, 3, 4]", f"seeds: [{'9' * 5000}]", "Invalid number"),
    ],
)
def test_what_python_cannot_hold_is_one_line(old: str, new: str, word: str, tmp_path: Path) -> None:
    text = GAMMA.read_text()
    assert old in text
    (tmp_path / "odd.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=word) as caught:
        check(tmp_path / "odd.yaml")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_zero_has_one_sign(tmp_path: Path) -> None:
    file = tmp_path / "zero.yaml"
    file.write_text(GAMMA.read_text().replace("[0.3, 0.5, 0.7]", "[0.0, -0.0]"))
    with pytest.raises(InputError, match="is the same run as"):
        load(file, "short")
    plain, minus = (load(GAMMA, "short", (f"method.lambda_k={zero}",)) for zero in ("0.0", "-0.0"))
    assert [run.run_id for run in plain.runs] == [run.run_id for run in minus.runs]
