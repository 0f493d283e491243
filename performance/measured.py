"""What was measured, kept as JSON beside the machine that it was measured on.

performance/measured/<name>.json    read by performance/page.py
"""

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "measured"


def machine() -> dict[str, Any]:
    """Names of processor, system and torch, and how busy the machine is with other work."""
    import torch  # not to read a file

    from benchmark.executors.instructions import has

    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0].partition(":")[2].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "instructions": torch.backends.cpu.get_cpu_capability() + (", AMX" if has("AMX") else ""),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": round(os.getloadavg()[0], 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def scaled(kind: str, n: int, size: int, *, amx: bool = False) -> str:
    """The name under which figures of networks of one size are kept."""
    return f"{kind}_{n}_{size}" + ("_amx" if amx else "")


def keep(name: str, figures: dict[str, Any], folder: Path = FOLDER) -> None:
    """Write the figures of one script, and how it was called; earlier ones go."""
    program, *arguments = (Path(word).name for word in sys.argv)  # no folders of this machine
    record = {
        "command": " ".join([f"python -m performance.{Path(program).stem}", *arguments]),
        "machine": machine(),
        **figures,
    }
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")


def read(name: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """None where it was not measured."""
    path = folder / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found
