"""`bench run --runs s3://...` against a real S3 server, moto's, gives what a folder gives."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.runs.directory import RunDirectory
from tests.reliability.conftest import bench
from tests.report.timeless import timeless

moto = pytest.importorskip("moto.server", reason="needs the extra: pip install .[dev]")
pytest.importorskip("s3fs", reason="needs the extra: pip install .[remote]")
pytestmark = pytest.mark.filterwarnings("default")

URL = "s3://faces/sweeps/one"
ONE = """\
name: one
question: Does it matter where the runs lie?
base:
  method: {name: began, n: 2, h: 4, z: 4}
  data: {name: faces, size: 16, count: 1000}
  training: {steps: 12, batch: 4, log_every: 2, checkpoint_every: 4, lr_decay: {on: never}}
  evaluation: {every: 6, samples: 60, repeats: 1, features: efficientnet_lite0}
sweep:
  method.gamma: [0.3]
seeds: [0]
profiles: {demo: {}}
"""
NO_MLFLOW = ("--mlflow", "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    """A server with an empty bucket, which every process finds by its environment."""
    with pytest.MonkeyPatch.context() as patch:
        yield from _serve(patch)


def _serve(patch: pytest.MonkeyPatch) -> Iterator[None]:
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    patch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "no-secret-at-all")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    try:
        import s3fs

        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("faces")
        yield
    finally:
        server.stop()


def trained(folder: Path, cache: Path, *options: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "one.yaml").write_text(ONE)
    if not (folder / "cache").exists():
        (folder / "cache").mkdir()
        for part in cache.iterdir():
            (folder / "cache" / part.name).symlink_to(part)
    return bench("run", "one.yaml", *NO_MLFLOW, *options, cwd=folder)


@pytest.mark.usefixtures("s3")
def test_a_sweep_in_a_bucket_is_the_sweep_in_a_folder(tmp_path: Path, cache: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    done = trained(here, cache)
    assert done.returncode == 0, done.stdout + done.stderr
    done = trained(there, cache, "--runs", URL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 runs done" in done.stdout

    assert not (there / "runs").exists()
    # Another machine, which has nothing of it yet.
    shutil.rmtree(there / "cache" / "remote")
    said = bench("status", "one.yaml", "--runs", URL, "--json", cwd=there)
    assert json.loads(said.stdout)["counts"]["done"] == 1, said.stderr
    (path,) = (there / "cache/remote").glob("*/runs/began-*")
    (whole,) = (here / "runs").glob("began-*")
    first, second = RunDirectory(whole), RunDirectory(path)
    assert first.result().weights_sha256 == second.result().weights_sha256
    values = [[(row.step, row.kind, row.values) for row in run.rows()] for run in (first, second)]
    assert values[0] == values[1]
    for grid in first.samples.iterdir():
        assert grid.read_bytes() == (second.samples / grid.name).read_bytes()
    said = [timeless(folder) for folder in (here, there)]
    assert said[0] == said[1]

    import s3fs

    found = s3fs.S3FileSystem(skip_instance_cache=True).find("faces")
    names = sorted(each.removeprefix(f"faces/sweeps/one/{path.name}/") for each in found)
    steps = [name for name in names if name.endswith(".safetensors")]
    assert [int(name[12:20]) for name in steps] == [8, 12]
    rest = [name for name in names if name not in steps]
    assert rest == [
        *("checkpoints/digests.jsonl", "faces/sweeps/one/claims/one-demo.json"),
        *("lease/000001.json", "log.txt", "metrics.jsonl", "provenance.json", "result.json"),
        *("samples/00000006.png", "samples/00000012.png", "spec.json"),
    ]
    again = trained(there, cache, "--runs", URL)  # nothing is left to do
    assert again.returncode == 0, again.stdout + again.stderr


def test_no_bucket_is_one_line(s3: None, tmp_path: Path) -> None:
    said = bench("status", "--runs", "s3://nowhere/runs", cwd=tmp_path)
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert "s3://nowhere/runs" in said.stderr
    assert "no-secret" not in said.stderr
