"""The vector instructions of a worker, which determine the order of summation.

Processors with AVX-512 and AVX2 differ in the last bits and, after a few thousand steps, in leading
digits; bfloat16 on AMX differs again. Restricted to AVX2, models of processor may still differ
in the last bits.
"""

import os
import re
from pathlib import Path

from benchmark.errors import InputError

# Variables read at load time by torch's own kernels, oneDNN's convolutions, and MKL's and
# OpenBLAS's products.
_VARIABLES = {
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "AVX512": {
        "ATEN_CPU_CAPABILITY": "avx512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512",
        "OPENBLAS_CORETYPE": "SkylakeX",
    },
}
_VARIABLES["AMX"] = {**_VARIABLES["AVX512"], "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}
# The flag of /proc/cpuinfo that says that a processor has them.
_FLAGS = {"AVX2": "avx2", "AVX512": "avx512bw", "AMX": "amx_bf16"}
NAMES = tuple(_VARIABLES)
_CPU = Path("/proc/cpuinfo")


def has(name: str) -> bool:
    """Whether this processor has these instructions and says so."""
    if name not in _FLAGS or not _CPU.exists():
        return False
    flags = re.search(
        r"^flags\s*:(.*)$", _CPU.read_text(encoding="utf-8", errors="replace"), re.MULTILINE
    )
    return flags is not None and _FLAGS[name] in flags[1].split()


def hold_to(name: str) -> None:
    """Restrict this process to them; call it before NumPy and torch are imported.

    Raises InputError where this processor lacks them or does not say.
    """
    if not has(name):
        raise InputError(f"--instructions {name}: this processor does not have them ({here()})")
    os.environ.update(_VARIABLES[name])


def here() -> str:
    """All that this processor has, for people."""
    found = [name for name in NAMES if has(name)]
    return f"it has {', '.join(found)}" if found else "it has none of them"


def used(capability: str, precision: str) -> str:
    """What a run on the CPU really uses: AMX, or what torch reports as its `capability`.

    torch does not report AMX, which oneDNN uses for bfloat16 unless restricted.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    amx = precision == "bfloat16" and has("AMX") and (not limit or limit.endswith("AMX"))
    return "AMX" if amx else capability
