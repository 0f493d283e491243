"""The vector instructions of a worker, which decide in which order its sums are added.

A processor with AVX-512 gives other last bits than one with AVX2, and after some thousand steps
other digits. Told to use AVX2 alone, it gives those of AVX2.
"""

import os
import re
from pathlib import Path

from benchmark.errors import InputError

# What torch's own kernels, oneDNN's convolutions, MKL's and OpenBLAS's products obey. They read it
# when they are loaded.
_VARIABLES = {
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    }
}
NAMES = tuple(_VARIABLES)  # as torch names them
_CPU = Path("/proc/cpuinfo")


def can_hold_to(name: str | None) -> bool:
    """Whether a process can be held to these instructions on this processor."""
    if name not in _VARIABLES or not _CPU.exists():
        return False
    flags = re.search(r"^flags\s*:(.*)$", _CPU.read_text(), re.MULTILINE)
    return flags is not None and name.lower() in flags[1].split()


def hold_to(name: str) -> None:
    """Hold this process to them; call it before NumPy and torch are imported.

    Raises InputError where this processor lacks them or does not say.
    """
    if not can_hold_to(name):
        raise InputError(f"--instructions {name}: this processor does not say that it has them")
    os.environ.update(_VARIABLES[name])
