"""What made a run: code, packages and machine. No environment variable is recorded."""

import hashlib
import inspect
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmark import __version__
from benchmark.imports import load_class
from benchmark.methods.settings import ExternalSettings, MethodSettings

_PACKAGES = ("torch", "torchvision", "torch-fidelity", "numpy", "pillow", "mlflow", "pandas")


def _git(*arguments: str) -> str | None:
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def code_version() -> dict[str, Any]:
    """The commit, and the hash of what differs from it; None outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    diff = _git("diff", "HEAD", "--", "benchmark")
    return {
        "bench": __version__,
        "commit": commit.strip() if commit else None,
        "dirty": hashlib.sha256(diff.encode()).hexdigest()[:12] if diff else None,
    }


def method_code(settings: MethodSettings) -> str | None:
    """SHA-256 of the file of a method from outside the package; None for the package's own."""
    if not isinstance(settings, ExternalSettings):
        return None
    source = inspect.getsourcefile(load_class(settings.name))
    return hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else None


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def describe_process(device: torch.device) -> dict[str, Any]:
    """Code, packages and machine of this process."""
    return {
        "code": code_version(),
        "packages": {name: _package(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "command": sys.argv,
    }
