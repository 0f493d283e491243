"""What bash and zsh offer at TAB, by click's own completion classes."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, ShellComplete, ZshComplete

from benchmark.cli import bench

SHELLS = [BashComplete, ZshComplete]
OWN = "name: own\nsweep: {method.gamma: [0.3]}\nprofiles: {demo: {}, huge: {}}\n"


@pytest.fixture(params=SHELLS, ids=lambda shell: shell.name)
def shell(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ShellComplete:
    """Beside two ablations, another YAML file, a text and three runs."""
    monkeypatch.chdir(tmp_path)
    for path, text in (
        ("own.yaml", OWN),
        ("other.yaml", "a: 1\n"),
        ("broken.yaml", "sweep: {\n"),
        ("notes.txt", "sweep:\n"),
        ("ablations/gamma.yaml", OWN),
        ("runs/began-0123/spec.json", ""),
        ("runs/began-0456/spec.json", ""),
        ("elsewhere/dcgan-0789/spec.json", ""),
    ):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    made: ShellComplete = request.param(bench, {}, "bench", "_BENCH_COMPLETE")
    return made


def offers(shell: ShellComplete, line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """For the word at the end of a line; with a `:kind` where the shell itself is to look."""
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    text = shell.complete()
    if shell.name == "bash":
        found = [tuple(row.split(",", 1)) for row in text.splitlines()]
    else:
        rows = text.split("\n")
        found = list(zip(rows[::3], rows[1::3], strict=False))
    return [value if kind == "plain" else f"{value}:{kind}" for kind, value in found]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("bench run ", ["own.yaml", "ablations/gamma.yaml"]),
        ("bench run ga", ["ablations/gamma.yaml"]),
        ("bench validate ablations/", ["ablations/gamma.yaml"]),
        ("bench validate own.yaml ow", ["own.yaml"]),
        ("bench plan notes", ["notes:file"]),
        ("bench correlate o", ["own.yaml"]),
        ("bench status ow", ["own.yaml"]),
        ("bench run own.yaml --profile ", ["demo", "huge"]),
        ("bench run own.yaml --lanes 2 --time 30 --profile=h", ["huge"]),
        ("bench register --profile s", ["short", "small"]),
        ("bench plan broken.yaml --profile p", ["paper"]),
        ("bench show ", ["began-0123", "began-0456"]),
        ("bench logs began-04", ["began-0456"]),
        ("bench reproduce --runs elsewhere ", ["dcgan-0789"]),
        ("bench export [", ["[:dir"]),
        ("bench probe --runs nowhere x", ["x:dir"]),
        ("bench sh", ["show"]),
        ("bench data ", ["check", "get", "show"]),
        ("bench run-", []),
    ],
)
def test_a_shell_offers(
    shell: ShellComplete, line: str, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offers(shell, line, monkeypatch) == found


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_bench_hands_a_shell_its_script(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmark"],
        capture_output=True,
        text=True,
        env={"_BENCH_COMPLETE": f"{name}_source", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    assert f"_BENCH_COMPLETE={name}_complete" in done.stdout


def test_a_tab_imports_nothing_heavy() -> None:
    code = (
        "import sys; from benchmark.commands.completion import _keys; from pathlib import Path;"
        "assert 'demo' in _keys(Path('ablations/gamma.yaml'), 'profiles');"
        "print(sorted({'torch', 'numpy', 'pydantic', 'pandas'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr
