"""MLflow's own page on the store that the runs are tracked in."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from benchmark.errors import BenchError
from benchmark.stopping import on_stop
from benchmark.tracking.store import client_of, reached, spelled, sqlite_file

MOST_SHOWN = 5  # ablations, the newest first
_TRAINING = {"workflowType": "machine_learning"}  # else its menu is that for language models


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
        raise BenchError(f"port {port} is taken; choose another with --port")
    found = pages(uri, f"http://127.0.0.1:{port}")
    print("MLflow is starting, which takes up to a minute; Ctrl-C ends it", flush=True)
    on_stop(signal.default_int_handler)
    # A session of its own: MLflow's server is a grandchild, and has to end with this process.
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            if _answers(port, process):
                print(*found, sep="\n", flush=True)
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


@dataclass(frozen=True)
class Page:
    """Where MLflow shows the newest plan of an ablation."""

    name: str
    curves: str
    verdicts: str

    def __str__(self) -> str:
        return f"\n{self.name}\ncurves: {self.curves}\nverdicts: {self.verdicts}"


def pages(uri: str, server: str) -> list[Page]:
    """Of the ablations that were run last, the newest first."""
    found: list[Page] = []

    def ask() -> None:
        client, order = client_of(uri), ["last_update_time DESC"]
        for each in client.search_experiments(max_results=MOST_SHOWN + 1, order_by=order):
            number = each.experiment_id
            for plan in client.search_runs([number], "tags.`bench.plan` LIKE '%'", max_results=1):
                at, parent = f"{server}/#/experiments/{number}/runs", plan.info.run_id
                curves = f"{at}?{urlencode(_curves_of(parent), quote_via=quote)}"
                verdicts = f"{at}/{parent}?{urlencode(_TRAINING)}"
                found.append(Page(each.name, curves, verdicts))

    reached(uri, ask)
    return found[:MOST_SHOWN]


def _curves_of(parent: str) -> dict[str, str]:
    """A plan's runs without the parent, whose claims MLflow would draw first, in its stead.

    MLflow folds children under their parent unless they are sorted by something else than time;
    sorted by seed, the ten that it draws are of the first.
    """
    return {
        **_TRAINING,
        "compareRunsMode": "CHART",
        "searchFilter": f"tags.`mlflow.parentRunId` = '{parent}'",
        "orderByKey": "params.`seed`",
        "orderByAsc": "true",
    }
