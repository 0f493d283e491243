"""MLflow's own page on the store that the runs are tracked in."""

import os
import signal
import subprocess
import sys

from benchmark.errors import BenchError
from benchmark.stopping import on_stop
from benchmark.tracking.store import client_of, reached, spelled, sqlite_file

MOST_SHOWN = 5  # ablations, the newest first


def serve(uri: str, port: int) -> None:
    """Run MLflow's own page on the store, on 127.0.0.1, until interrupted or terminated."""
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", spelled(uri)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = sqlite_file(uri)
    if store is not None:
        if not store.exists():
            raise BenchError(f"{uri}: no store there yet; `bench run` makes one")
        command += ["--artifacts-destination", (store.resolve().parent / "artifacts").as_uri()]
    print("MLflow comes up in some seconds; Ctrl-C ends it. The charts of", flush=True)
    for name, address in charts(uri, f"http://127.0.0.1:{port}"):
        print(f"  {name}: {address}", flush=True)
    on_stop(signal.default_int_handler)
    # A session of its own: MLflow's server is a grandchild, and has to end with this process.
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGTERM)
            return
    if code != 0:
        raise BenchError(f"mlflow ui ended with {code}; is port {port} taken? try --port")


def charts(uri: str, server: str) -> list[tuple[str, str]]:
    """(ablation, address of its runs as charts), the newest first.

    Raises BenchError where the store cannot be read.
    """
    found: list[tuple[str, str]] = []

    def ask() -> None:
        order = ["last_update_time DESC"]
        experiments = client_of(uri).search_experiments(max_results=MOST_SHOWN + 1, order_by=order)
        found.extend(
            (each.name, f"{server}/#/experiments/{each.experiment_id}/runs?compareRunsMode=CHART")
            for each in experiments
            if each.name != "Default"  # MLflow's own, empty
        )

    reached(uri, ask)
    return found[:MOST_SHOWN]
