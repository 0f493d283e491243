"""Files are data, servers stay at home."""

import ast
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.ablation.plan import load
from benchmark.errors import InputError

PACKAGE = Path(__file__).parents[2] / "benchmark"
# A pickle, or YAML that builds objects, runs what it likes when it is read.
FORBIDDEN_IMPORTS = {"pickle", "dill", "joblib", "shelve", "marshal", "yaml"}
FORBIDDEN_CALLS = {"eval", "exec"}


def test_the_package_reads_no_pickle_and_evaluates_no_text() -> None:
    seen = 0
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            seen += 1
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                assert not FORBIDDEN_IMPORTS & {name.split(".")[0] for name in names}, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in FORBIDDEN_CALLS, path
                options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                if called == "torch.load":
                    assert options.get("weights_only") == "True", path
                if called in ("np.load", "numpy.load"):
                    assert options.get("allow_pickle", "False") == "False", path
                if called == "YAML":
                    assert options.get("typ") == "'safe'", path
                assert options.get("shell", "False") == "False", path
    assert seen > 10_000


@pytest.mark.parametrize(
    "hostile",
    [
        "!!python/object/apply:os.system ['touch TOUCHED']",
        "!!python/object/new:subprocess.Popen [['touch', 'TOUCHED']]",
        "name: !!python/name:os.system",
        "name: &a [*a]",
        "name: " + "[" * 3000,
        "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nname: [*b,*b,*b,*b]",
        "\0\x01\x02",
        "name: \ud83d".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
def test_a_hostile_file_is_bad_input(
    hostile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text(hostile)
    with pytest.raises(InputError) as caught:
        load(tmp_path / "bad.yaml", "demo")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


def test_an_override_builds_no_object(tmp_path: Path) -> None:
    from tests.reliability.conftest import TINY

    (tmp_path / "tiny.yaml").write_text(TINY)
    with pytest.raises(InputError):
        load(tmp_path / "tiny.yaml", "demo", ("method.n=!!python/object/apply:os.getpid []",))


@pytest.mark.slow
def test_the_page_listens_on_this_machine_alone(tmp_path: Path) -> None:
    from benchmark.tracking.tracker import Tracker
    from tests.tracking.test_tracking import fill, plan

    fill(tmp_path / "runs")
    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    Tracker(uri, plan(), tmp_path / "runs").close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmark", "ui", "--mlflow", uri, "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 300
            while not listening(port) and time.monotonic() < deadline:
                time.sleep(0.2)
            assert listening(port) == {"0100007F"}  # 127.0.0.1, and no other address
        finally:
            process.terminate()


def listening(port: int) -> set[str]:
    """Local addresses, as the kernel writes them, at which somebody listens on the port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, at = local.split(":")
            if int(at, 16) == port and state == "0A":
                found.add(address)
    return found
