"""What made a run: code, packages and machine.

No environment variable is recorded but the one that decides cuBLAS's kernels, and what is recorded
passes `redact` first.
"""

import hashlib
import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import torch

from benchmark import __version__
from benchmark.executors import instructions
from benchmark.files import sha256
from benchmark.git import ask
from benchmark.redact import redacted

_PACKAGE = Path(__file__).parent
_LOCK = _PACKAGE.parent / "requirements.lock"
_LONGEST_DIFF = 200_000  # characters; a longer one is known by its hash only


def describe_process(device: torch.device, precision: str = "float32") -> dict[str, Any]:
    """Code, packages and machine of this process, as JSON-like values without secrets.

    `precision` is what its run trains in, which decides the instructions that are used.
    """
    cuda = device.type == "cuda"
    record = {
        "code": code_version(),
        "lock_sha256": sha256(_LOCK) if _LOCK.exists() else None,
        "packages": _packages(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": _cpu(),
        "instructions": instructions.used(torch.backends.cpu.get_cpu_capability(), precision),
        "cores": os.cpu_count(),
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "driver": _driver() if cuda else None,
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,  # type: ignore[no-untyped-call]
        "threads": torch.get_num_threads(),
        "allocator": _allocator(),
        "determinism": _determinism(cuda=cuda),
        "command": _command(sys.argv),
    }
    hidden: dict[str, Any] = redacted(record)
    return hidden


def _command(words: list[str]) -> list[str]:
    """Without the judges, which make no run and are recorded with their rows."""
    at = words.index("--evaluation") if "--evaluation" in words else len(words)
    return words[:at] + words[at + 2 :]


def with_earlier(record: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """`record` of a resumed run, with those of its earlier starts if they differ.

    So a run begun with one commit, or on one machine, and finished with another records both.
    """
    if before is None:
        return record
    earlier = [*before.get("earlier", []), {k: v for k, v in before.items() if k != "earlier"}]
    others = [each for each in earlier if _essence(each) != _essence(record)]
    # Each once, however often it was resumed.
    once = [each for i, each in enumerate(others) if each not in others[:i]]
    return {**record, "earlier": once} if once else record


def _essence(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "command"}


def code_version() -> dict[str, Any]:
    """The source's hash, the commit and the diff from it; no commit outside a checkout."""
    # A package installed somewhere below another project's checkout is not part of it.
    tracked = ask(_PACKAGE, "ls-files", "--error-unmatch", "__init__.py") is not None
    commit = ask(_PACKAGE, "rev-parse", "HEAD") if tracked else None
    plain = ("--no-ext-diff", "--no-textconv", "--no-color")
    diff = ask(_PACKAGE, "diff", *plain, "HEAD", "--", ".") if tracked else None
    others = ("ls-files", "-z", "--others", "--exclude-standard", "--", ".")
    untracked = ask(_PACKAGE, *others) if tracked else None
    return {
        "bench": __version__,
        "source_sha256": _source(),
        "commit": commit.strip() if commit else None,
        "dirty": hashlib.sha256(diff.encode()).hexdigest()[:12] if diff else None,
        "diff": diff if diff and len(diff) <= _LONGEST_DIFF else None,
        "untracked": [name for name in untracked.split("\0") if name] if untracked else [],
    }


def _source() -> str:
    """Over the names and bytes of the package's own modules."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        if path.is_file() and os.access(path, os.R_OK):  # an editor's lock is a link to nowhere
            name = os.fsencode(path.relative_to(_PACKAGE))
            digest.update(name + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _packages() -> dict[str, str | None]:
    """The project's dependencies, in their installed versions."""
    try:
        wanted = requires("began-bench") or []
    except PackageNotFoundError:
        wanted = ["torch", "numpy"]
    names = {re.split(r"[^\w.-]", line)[0] for line in wanted if "extra ==" not in line}
    return {name: _version(name) for name in sorted(names)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def _driver() -> str | None:
    return next(iter(_text(Path("/proc/driver/nvidia/version")).splitlines()), None)


def _allocator(maps: Path = Path("/proc/self/maps")) -> str:
    """The allocator that this process has loaded, whatever was requested."""
    loaded = _text(maps)
    return next((name for name in ("tcmalloc", "jemalloc") if f"lib{name}" in loaded), "system")


def _text(path: Path) -> str:
    """A system file's content, file names of any bytes included; empty if unreadable."""
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _determinism(*, cuda: bool) -> dict[str, Any]:
    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        # torch's global getter fails if a GPU-specific precision was set.
        "matmul_precision": (
            torch.backends.cuda.matmul.fp32_precision
            if cuda
            else torch.get_float32_matmul_precision()
        ),
        "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    }
