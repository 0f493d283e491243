"""The built wheel in a new environment and an empty folder, as `pipx install` leaves it."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.name for path in (ROOT / "ablations").iterdir() if path.is_file())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bench` of the wheel; torch and the rest are borrowed from this environment."""
    folder = tmp_path_factory.mktemp("installed")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    venv = folder / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    python = str(venv / "bin" / "python")
    install = ["pip", "install", "--quiet", "--offline", "--no-deps", "--python", python]
    subprocess.run([*uv, *install, str(wheel)], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    # A .pth adds the folder but reads no .pth in it, so this clone is not in reach.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv / "bin" / "bench"


def call(bench: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [str(bench), *arguments], cwd=cwd, capture_output=True, text=True, env=clean
    )


def test_init_brings_the_shipped_ablations(bench: Path, tmp_path: Path) -> None:
    done = call(bench, "init", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = tmp_path / "ablations"
    assert sorted(path.name for path in made.iterdir()) == SHIPPED
    for name in SHIPPED:
        assert (made / name).read_bytes() == (ROOT / "ablations" / name).read_bytes()
    assert "bench run ablations/gamma.yaml" in done.stdout
    checked = call(bench, "validate", "ablations/gamma.yaml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert "profile demo: 3 runs" in checked.stdout


def test_init_again_changes_nothing_of_ones_own(bench: Path, tmp_path: Path) -> None:
    assert call(bench, "init", "here", cwd=tmp_path).returncode == 0
    assert call(bench, "init", "here", cwd=tmp_path).returncode == 0
    own = tmp_path / "here" / "ablations" / "gamma.yaml"
    own.write_text("name: mine\n")
    missing = own.with_name("latent.yaml")
    missing.unlink()
    done = call(bench, "init", "here", cwd=tmp_path)
    assert done.returncode == 2
    assert "gamma.yaml" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert own.read_text() == "name: mine\n"
    assert not missing.exists()  # nothing is written where one file is refused


def test_wheel_and_package_say_one_version(bench: Path, tmp_path: Path) -> None:
    python = bench.with_name("python")
    as_module = call(python, "-m", "benchmark", "--version", cwd=tmp_path)
    assert as_module.returncode == 0, as_module.stderr
    assert as_module.stdout == call(bench, "--version", cwd=tmp_path).stdout
    inside = call(python, "-c", "import benchmark; print(benchmark.__version__)", cwd=tmp_path)
    assert inside.stdout.strip() in as_module.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(bench: Path, shell: str, tmp_path: Path) -> None:
    found = subprocess.run(
        [str(bench)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "_BENCH_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": "bench val",
            "COMP_CWORD": "1" if shell != "fish" else "val",
        },
    )
    assert "validate" in found.stdout
    source = {"PATH": os.environ["PATH"], "_BENCH_COMPLETE": f"{shell}_source"}
    if shell == "bash" and not shutil.which("bash"):
        pytest.skip("click asks bash for its version, and there is none")
    script = subprocess.run([str(bench)], capture_output=True, text=True, env=source)
    assert "_BENCH_COMPLETE" in script.stdout
