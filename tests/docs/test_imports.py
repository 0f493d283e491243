"""The rooms import each other as pyproject.toml's contracts allow, and a breach is seen."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]


def lint(root: Path, config: Path) -> subprocess.CompletedProcess[str]:
    command = [*LINT, "--config", str(config), "--no-cache"]
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)


def test_contracts_are_kept() -> None:
    done = lint(ROOT, ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_a_breach_is_seen(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "benchmark", tmp_path / "benchmark")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, line in (
        ("runs/directory.py", "import mlflow"),
        ("report/tables.py", "import benchmark.runs.directory"),
        ("errors.py", "import benchmark.sweep.run"),
    ):
        path = tmp_path / "benchmark" / module
        path.write_text(f"{path.read_text()}\n{line}\n")
    done = lint(tmp_path, tmp_path / "pyproject.toml")
    assert done.returncode == 1
    for contract in ("mlflow is imported", "the report reads", "rooms import each other"):
        (said,) = [x for x in done.stdout.splitlines() if x.startswith(contract) and "BROKEN" in x]
        assert said


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'mlflow', 'pandas', 'numpy', 'pydantic', 'torch_fidelity'}"
    code = f"import sys, benchmark.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
