"""MLflow's own page on the store that the runs are tracked in."""

import os
import signal
import subprocess
import sys

from benchmark.errors import BenchError
from benchmark.tracking.store import spelled, sqlite_file


def serve(uri: str, port: int) -> None:
    """Run MLflow's own page on the store, on 127.0.0.1, until interrupted or terminated."""
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", spelled(uri)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = sqlite_file(uri)
    if store is not None:
        if not store.exists():
            raise BenchError(f"{uri}: no store there yet; `bench run` makes one")
        command += ["--artifacts-destination", (store.resolve().parent / "artifacts").as_uri()]
    print(f"MLflow: http://127.0.0.1:{port} in some seconds; Ctrl-C ends it", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A session of its own: MLflow's server is a grandchild, and has to end with this process.
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGTERM)
            return
    if code != 0:
        raise BenchError(f"mlflow ui ended with {code}; is port {port} taken? try --port")
