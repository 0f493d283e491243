"""`bench` as people use it, in processes of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import bench, bench_apart

ROOT = Path(__file__).parents[1]
TINY = """\
name: tiny
question: Does the harness work?
base:
  method: {name: began, n: 2, h: 4, z: 4}
  data: {name: faces, size: 16, count: 1000}
  training: {steps: STEPS, batch: 4, log_every: 2, checkpoint_every: 4,
             lr_decay: {on: never}}
  evaluation: {every: 100000, judges: {efficientnet_lite0: {samples: 60}}}
sweep:
  method.gamma: [0.3, 0.7]
seeds: [0]
profiles: {demo: {}}
"""


@pytest.fixture
def folder(tmp_path: Path, cache: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("STEPS", "12"))
    (tmp_path / "cache").symlink_to(cache)
    return tmp_path


def test_run_ends_in_tables_report_and_mlflow(folder: Path) -> None:
    done = bench_apart("run", "tiny.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 runs done, 0 failed" in done.stdout
    assert "report: REPORT.md" in done.stdout
    assert "bench ui" in done.stdout.splitlines()[-1]
    assert "gamma=0.3 seed=0: done, step 12 of 12" in done.stdout
    report = (folder / "REPORT.md").read_bytes()
    table = folder / "results" / "tiny" / "demo" / "runs.csv"
    for run_id in re.findall(r"began-[0-9a-f]{12}", table.read_text()):
        assert run_id in (folder / "results/tiny/demo/details.md").read_text()
    assert (folder / "mlflow" / "mlflow.db").exists()
    assert bench("report", cwd=folder).returncode == 0
    assert (folder / "REPORT.md").read_bytes() == report  # twice changes no byte
    trained = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/metrics.jsonl")}
    again = bench("run", "tiny.yaml", cwd=folder)
    assert again.returncode == 0
    assert trained == {path: path.stat().st_mtime_ns for path in trained}  # nothing trained anew
    assert (folder / "REPORT.md").read_bytes() == report


def test_a_demonstration_leaves_the_clone_as_it_was(folder: Path) -> None:
    shown = TINY.replace("STEPS", "12").replace("[0.3, 0.7]", "[0.5]")
    (folder / "tiny.yaml").write_text(shown.replace("{demo: {}}", "{demo: {finding: false}}"))
    report, committed = folder / "REPORT.md", folder / "results" / "other"
    report.write_text("of findings")
    committed.mkdir(parents=True)
    done = bench("run", "tiny.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tables: out/results/tiny/demo" in done.stdout
    assert "report: out/REPORT.md" in done.stdout
    assert "gamma=0.5" in (folder / "out" / "REPORT.md").read_text()
    assert report.read_text() == "of findings"
    assert list((folder / "results").iterdir()) == [committed]
    ignored = {"runs", "cache", "mlflow", "out"}
    assert {path.name for path in folder.iterdir()} == {
        "tiny.yaml",
        "REPORT.md",
        "results",
    } | ignored
    said = (ROOT / ".gitignore").read_text().splitlines()
    assert {f"/{name}/" for name in ignored} <= set(said)
    assert bench("correlate", "tiny.yaml", cwd=folder).returncode == 0
    asked = ("--results", "elsewhere", "--report", "mine.md")
    assert bench("run", "tiny.yaml", *asked, cwd=folder).returncode == 0
    assert (folder / "elsewhere" / "tiny" / "demo" / "runs.csv").exists()
    assert (folder / "mine.md").exists()


def test_interrupt_stops_cleanly_and_the_same_command_goes_on(folder: Path) -> None:
    (folder / "tiny.yaml").write_text(TINY.replace("STEPS", "300"))
    command = [sys.executable, "-m", "benchmark", "run", "tiny.yaml"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while not list(folder.glob("runs/*/checkpoints/*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "stopped; the same command continues from here" in said
    assert not list(folder.glob("runs/*/result.json"))
    done = bench("run", "tiny.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_interrupt_beside_the_runs_has_the_same_exit_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def terminate(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    (folder / "tiny.yaml").write_text(TINY.replace("STEPS", "12"))
    for act in (interrupt, terminate):
        monkeypatch.setattr("benchmark.sweep.run.run_plan", act)
        assert bench("run", "tiny.yaml", cwd=folder).returncode == 130


def test_a_failed_run_is_shown_and_does_not_stop_the_others(folder: Path) -> None:
    text = TINY.replace("STEPS", "300").replace("z: 4}", "z: 4, eta: 2}")
    text = text.replace("method.gamma: [0.3, 0.7]", "training.lr: [1.0, 1.0e-4]")
    (folder / "tiny.yaml").write_text(text)
    done = bench("run", "tiny.yaml", cwd=folder)
    assert done.returncode == 1
    assert "1 of 2 runs done, 1 failed" in done.stdout
    assert "lr=1.0 seed=0" in done.stdout
    assert "not finite" in done.stdout
    assert "not finite" in (folder / "results/tiny/demo/details.md").read_text()


def test_bad_input_is_one_line_exit_2_and_writes_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    text = TINY.replace("gamma:", "gama:")
    bad = folder / "tiny.yaml"
    bad.write_text(text)
    for arguments in (["run", "tiny.yaml"], ["validate", "tiny.yaml"], ["plan", "tiny.yaml"]):
        done = bench(*arguments, cwd=folder)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
        assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["run", "tiny.yaml", "--device", "gpu"], "'gpu' is not cpu, cuda, cuda:N or auto"),
        (["run", "tiny.yaml", "--mlflow", ""], "is empty"),
        (["run", "tiny.yaml", "--gpus-per-run", "nan"], "no finite number"),
        (["reproduce", "began-1", "--tolerance", "inf"], "no finite number"),
        (["ui", "--port", "70000"], "70000"),
        (["gc", "--runs", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_at_once(
    folder: Path, arguments: list[str], why: str
) -> None:
    (folder / "tiny.yaml").write_text(TINY.replace("STEPS", "12"))
    before = sorted(folder.rglob("*"))
    done = bench(*arguments, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before


def test_missing_data_root_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_DATA", raising=False)
    text = TINY.replace("{name: faces, size: 16, count: 1000}", "{name: celeba, size: 16}")
    text = text.replace("STEPS", "12")
    (folder / "tiny.yaml").write_text(text)
    done = bench("run", "tiny.yaml", cwd=folder)
    assert done.returncode == 2
    assert "--data-root" in done.stderr
    done = bench("run", "tiny.yaml", "--data-root", "nowhere", cwd=folder)
    assert done.returncode == 2
    assert "img_align_celeba" in done.stderr
    assert not (folder / "runs").exists()


def test_unreachable_mlflow_costs_a_line_not_a_run(folder: Path) -> None:
    done = bench("run", "tiny.yaml", "--mlflow", "http://127.0.0.1:9", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the runs continue" in done.stdout
    assert "2 of 2 runs done" in done.stdout


def test_read_only_results_are_refused_before_training(folder: Path) -> None:
    (folder / "results").write_text("a file where the folder should be")
    done = bench("run", "tiny.yaml", "--results", "results", cwd=folder)
    assert done.returncode != 0
    assert "results" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "runs").exists()
