"""What lies around a run, in the environment or the working folder, changes and stops nothing."""

import ast
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from benchmark import git, imports, provenance, surroundings
from benchmark.errors import BenchError, InputError
from benchmark.executors.environment import environment
from benchmark.executors.local import Pool
from benchmark.runs.directory import RunDirectory
from tests.conftest import tiny_spec
from tests.training.test_loop import train

PACKAGE = Path(__file__).parents[2] / "benchmark"
OTHERS = {
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONHASHSEED": "7",
    "PYTHONINSPECT": "1",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "OMP_NUM_THREADS": "7",
    "OMP_THREAD_LIMIT": "1",
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "default",  # other instructions, other bits
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "TORCH_LOGS": "+all",
    "MLFLOW_RUN_ID": "somebody-elses",
    "TZ": "Nowhere/Land",
    "TMPDIR": "/nowhere",
    "HOME": "/nowhere",
}
HIDING = ("torch", "random", "click", "numpy", "json", "re", "types", "sitecustomize", "triton")


def test_a_worker_among_files_and_variables_of_others(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny_spec(training={"steps": 4})
    expected = train(spec, tmp_path / "here", cache)
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in HIDING:
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} of the working folder')")
    (folder / ".env").write_bytes(b"\xff\xfe")
    (folder / "pyproject.toml").write_text("broken = [")
    (folder / ".git").write_text("gitdir: /nowhere")
    monkeypatch.chdir(folder)
    for name, value in OTHERS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(PACKAGE.parent), ".", str(folder)]))
    run = RunDirectory.create(tmp_path / "there", spec)
    codes = Pool(1, ["--cache", str(cache), "--device", "cpu"], lambda: None).run([run])
    assert codes == {run.run_id: 0}, run.log.read_text()
    result = run.result()
    assert result is not None
    assert result.weights_sha256 == expected.weights_sha256


def test_what_says_where_things_lie_stays(tmp_path: Path) -> None:
    kept = {
        "PATH": "/usr/bin",
        "TORCH_HOME": "/weights",
        "PYTHONNOUSERSITE": "1",
        "CUDA_VISIBLE_DEVICES": "1",
        "LD_PRELOAD": "mine.so",
    }
    found = environment({**OTHERS, **kept}, tmp_path)
    assert {name: found[name] for name in kept} == kept
    assert found["PYTHONHASHSEED"] == "0"
    gone = {name for name in OTHERS if name not in ("LC_ALL", "TZ", "TMPDIR", "HOME")}
    assert {name: found[name] for name in gone if name in found} == {
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
    }
    inside = environment({"PYTHONPATH": f"{PACKAGE.parent}:src:"}, PACKAGE.parent)
    assert inside["PYTHONPATH"] == f"{PACKAGE.parent}:src"  # the package is found there alone


def test_no_text_is_read_or_written_as_the_locale_says() -> None:
    """`open` and its like name their encoding, or bytes are meant."""
    seen = 0
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func).rpartition(".")[2]
            named = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            given = [ast.unparse(each) for each in node.args]
            at = f"{path}:{node.lineno}"
            assert named.get("text") != "True", at
            if called in ("read_text", "write_text"):
                seen += 1
                utf8 = named.get("encoding") or given[-1] if given else named.get("encoding")
                assert utf8 is not None, at
                assert "utf-8" in utf8, at
            if called == "open" and any("'a'" in each or "'w'" in each for each in given):
                seen += 1
                assert "encoding" in named or "archive" in ast.unparse(node.func), at
    assert seen > 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without accounts as Unix has them")
def test_a_user_without_a_home_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    with monkeypatch.context() as patched, warnings.catch_warnings():
        patched.setattr(Path, "home", nobody)
        surroundings.settle()
        warnings.warn("of a library", DeprecationWarning, stacklevel=1)  # no error
    home = Path(os.environ["HOME"])
    assert home.is_dir()
    assert home.stat().st_mode & 0o077 == 0  # weights are looked for in it
    assert "MPLBACKEND" not in os.environ


def test_people_s_settings_of_git_change_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    for each in (folder, other):
        subprocess.run(["git", "init", "-q", str(each)], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=b", "-c", "commit.gpgsign=false"]
    (folder / "file.yaml").write_text("one\n")
    for command in (["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    (folder / "file.yaml").write_text("two\n")
    plain = git.ask(folder, "diff", "HEAD")
    assert plain is not None
    first = git.versions(folder / "file.yaml")
    assert [each.content for each in first] == [b"one\n"]
    (tmp_path / "config").write_text(
        "[color]\nui = always\n[log]\nshowSignature = true\n[diff]\nnoprefix = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    # As in a hook of another repository.
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert git.ask(folder, "diff", "HEAD") == plain
    assert git.versions(folder / "file.yaml") == first
    assert git.top(folder) == folder
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    (folder / ".git" / "HEAD").write_bytes(b"\xff")  # broken
    assert git.ask(folder, "rev-parse", "HEAD") is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert git.ask(other, "status") is None


def test_any_file_may_lie_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_PACKAGE", tmp_path)
    (tmp_path / "module.py").write_bytes(b"# \xe9\n")
    alone = provenance._source()
    (tmp_path / ".#module.py").symlink_to("somebody@nowhere.1234")  # an Emacs's lock
    (tmp_path / "folder.py").mkdir()
    assert provenance._source() == alone
    (tmp_path / os.fsdecode(b"caf\xe9.py")).write_bytes(b"")
    assert provenance._source() != alone
    assert provenance.code_version()["commit"] is None


MODULES = {
    "exits": ("raise SystemExit(0)", "cannot be imported \\(it raises SystemExit: 0\\)"),
    "parses": ("def Mine(:", "it raises SyntaxError: "),
    "divides": ("1 / 0", "it raises ZeroDivisionError: division by zero"),
    "needs": ("import no_such_package", "No module named 'no_such_package'"),
    "lacks": ("", "there is no Mine in lacks .*lacks.py"),
    "random": ("class Mine: pass", "there is no Mine in random .*random.py"),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_that_cannot_be_imported_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, says = MODULES[name]
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(InputError, match=says) as refused:
        imports.load_class(f"{name}:Mine")
    assert "\n" not in str(refused.value)


def test_what_a_module_prints_is_no_part_of_what_we_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "chatty.py").write_text("print('hello')\nclass Mine: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert imports.load_class("chatty:Mine").__name__ == "Mine"
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize("name", [b"caf\xe9", b"caf\xe9 \xf0\x9f\x98\x80"])
def test_a_store_in_a_folder_that_is_no_text(
    name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.tracking.store import make_room

    folder = tmp_path / os.fsdecode(name)
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("a file system that has text alone")
    monkeypatch.chdir(folder)
    with pytest.raises(BenchError, match="not text in UTF-8"):
        make_room("sqlite:///mlflow/mlflow.db", "tiny")
    assert list(folder.iterdir()) == []


def test_figures_are_drawn_alike_beside_a_matplotlibrc(tmp_path: Path) -> None:
    """It was read when matplotlib was imported; it holds again after ours are drawn."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 40\n")
    code = (
        "from benchmark.report.figures.canvas import defaults; from matplotlib import rcParams\n"
        "with defaults(): print(rcParams['text.usetex'], rcParams['font.size'])\n"
        "print(rcParams['text.usetex'], rcParams['font.size'])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )
    assert done.stdout.split() == ["False", "10.0", "True", "40.0"], done.stderr
