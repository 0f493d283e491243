"""MLflow's own page on the store that the runs are tracked in."""

import os
import signal
import socket
import subprocess
import sys
import time

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
    if _is_open(port):
        raise BenchError(f"port {port} is taken; give another by --port")
    found = charts(uri, f"http://127.0.0.1:{port}")
    print("MLflow is starting, which takes up to a minute; Ctrl-C ends it", flush=True)
    on_stop(signal.default_int_handler)
    # A session of its own: MLflow's server is a grandchild, and has to end with this process.
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            if _answers(port, process):
                print(
                    "\n".join(["charts of", *(f"  {name}: {at}" for name, at in found)]), flush=True
                )
            code = process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGTERM)
            return
    if code != 0:
        raise BenchError(f"mlflow ui ended with {code}")


def _answers(port: int, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until the server takes connections; False if it ends before."""
    while process.poll() is None:
        if _is_open(port):
            return True
        time.sleep(0.3)
    return False


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
