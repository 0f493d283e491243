"""What made a run is recorded in full, for people too, and no secret is."""

import hashlib
import json
import os
import platform
import subprocess
from pathlib import Path

import pytest

from benchmark import __version__, provenance
from benchmark.numbers import significant
from benchmark.provenance import with_earlier
from benchmark.redact import redact, redacted
from benchmark.results.source import commit
from benchmark.runs.evaluations import Evaluations
from tests.processes import bench
from tests.reliability.conftest import IN_URL, PLANTED, Swept

ROOT = Path(__file__).parents[2]


def test_no_planted_secret_lands_anywhere(swept: Swept) -> None:
    secrets = [*PLANTED.values(), IN_URL]
    files = [path for path in swept.folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        text = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in text], path
    # The override with the secret is there, so that the search above can fail.
    overrides = [run.provenance()["overrides"] for run in swept.runs()]  # type: ignore[index]
    assert overrides == [["training.lr=1.0e-4 # ***"]] * 2
    assert not [secret for secret in secrets if secret in swept.said]
    assert "http://***@127.0.0.1:9 cannot be written" in swept.said


def test_everything_that_made_the_run_is_there(swept: Swept) -> None:
    record = swept.runs()[0].provenance()
    assert record is not None
    lock = (ROOT / "requirements.lock").read_bytes()
    assert record["lock_sha256"] == hashlib.sha256(lock).hexdigest()
    assert {"torch", "numpy", "scipy", "safetensors", "mlflow"} <= set(record["packages"])
    assert all(record["packages"].values())
    assert record["python"] == platform.python_version()
    assert record["threads"] == 1
    assert record["device"] == "cpu"
    assert record["determinism"]["deterministic_algorithms"] is True
    assert len(record["code"]["source_sha256"]) == 64
    assert len(record["data"]["fingerprint"]) == 64
    (judge,) = (each.record() for each in Evaluations.all(swept.runs()[0].path))
    assert len(judge.network["weights_sha256"]) == 64
    assert record["command"][1:2] == ["run-one"]
    assert record["cores"] == os.cpu_count()
    assert {"cpu", "instructions", "system", "driver"} <= set(record)


def test_the_code_is_that_of_its_own_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
        subprocess.run(["git", *me, *arguments], cwd=tmp_path, check=True, capture_output=True)

    package = tmp_path / "benchmark"
    package.mkdir()
    (package / "__init__.py").write_text("first = 1\n")
    monkeypatch.setattr(provenance, "_PACKAGE", package)
    git("init")
    git("commit", "--allow-empty", "-m", "another project")
    installed = provenance.code_version()  # as in an environment below that project
    assert (installed["commit"], installed["diff"], installed["untracked"]) == (None, None, [])
    assert commit({"code": installed}) == f"{__version__}+{installed['source_sha256'][:12]}"
    git("add", "benchmark")
    git("commit", "-m", "this project")
    clean = provenance.code_version()
    assert (len(clean["commit"]), clean["dirty"]) == (40, None)
    assert commit({"code": clean}) == clean["commit"][:12]
    (package / "__init__.py").write_text("second = 2\n")
    (package / "new.py").write_text("")
    changed = provenance.code_version()
    assert "+second = 2" in changed["diff"]
    assert changed["untracked"] == ["new.py"]
    assert commit({"code": changed}) == f"{clean['commit'][:12]}+{changed['dirty']}"


def test_show_prints_it_for_people(swept: Swept) -> None:
    run = swept.runs()[0]
    done = bench("show", run.run_id, cwd=swept.folder)
    assert done.returncode == 0, done.stderr
    assert f"{run.run_id}: done, step 12 of 12" in done.stdout
    result, record = run.result(), run.provenance()
    assert result is not None
    assert record is not None
    for said in (
        result.weights_sha256,
        record["data"]["fingerprint"],
        record["cpu"],
        f"torch {record['packages']['torch']}",
        "last evaluation by efficientnet_lite0, 60 samples (step 12): ",
        "gamma 0.",
    ):
        assert said in done.stdout
    assert "{" not in done.stdout  # words, not JSON
    (judged,) = Evaluations.all(run.path)
    first, repeat = (row.values["distance"] for row in judged.rows() if row.step == 12)
    assert f"distance {significant(first)}," in done.stdout  # that of tables and `bench ls`
    assert f"distance {significant(repeat)}," not in done.stdout
    done = bench("show", "began-", cwd=swept.folder)
    assert done.returncode == 2
    assert "ambiguous" in done.stderr


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("http://user:pa55word@host:5000/x", "http://***@host:5000/x"),
        ("postgresql://bench:pa55@127.0.0.1/db", "postgresql://***@127.0.0.1/db"),
        ("postgresql://bench:pa/55@127.0.0.1/db", "postgresql://***@127.0.0.1/db"),
        ("http://host:5000/runs@v1", "http://host:5000/runs@v1"),
        ("git+https://host/a/b@v1", "git+https://host/a/b@v1"),
        ("https://ghp_0123456789@host/repo.git", "https://***@host/repo.git"),
        ("http://host/api?token=abc&step=3", "http://host/api?token=***&step=3"),
        ("--api-key=abcdef", "--api-key=***"),
        ("password: hunter2, steps: 3", "password: ***, steps: 3"),
        ("--set training.steps=500", "--set training.steps=500"),
        ("sqlite:///mlflow/mlflow.db", "sqlite:///mlflow/mlflow.db"),
        ("mail a@b and c@d", "mail a@b and c@d"),
    ],
)
def test_credentials_are_hidden_and_nothing_else(text: str, hidden: str) -> None:
    assert redact(text) == hidden


def test_values_of_secret_variables_are_hidden_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "xyzzyxyzzy")
    monkeypatch.setenv("HOME_TOWN", "plughplugh")
    monkeypatch.setenv("PIN_TOKEN", "on")  # too short to be looked for in every word
    record = {"a": ["an xyzzyxyzzy b", 3], "b": {"c": ("plughplugh on", None)}}
    assert redacted(record) == {"a": ["an *** b", 3], "b": {"c": ["plughplugh on", None]}}


def test_a_run_that_went_on_elsewhere_says_so() -> None:
    first = {"cpu": "a", "command": ["x"]}
    again = {"cpu": "a", "command": ["y"]}
    other = {"cpu": "b", "command": ["y"]}
    assert with_earlier(first, None) == first
    assert with_earlier(again, first) == again  # nothing but the command differs
    moved = with_earlier(other, first)
    assert moved == {**other, "earlier": [first]}
    back = with_earlier(again, moved)
    assert json.loads(json.dumps(back))["earlier"] == [other]
