"""The memory allocator of a worker: a faster one if the system has it, never required.

It affects only where numbers are stored: weights are bit-identical with any.
"""

import os
import sys
from collections.abc import Mapping
from ctypes.util import find_library
from functools import lru_cache

# Large thresholds keep glibc from giving freed pages back after every step. They apply if nothing
# is preloaded.
_THRESHOLDS = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "1073741824"}


def variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a new worker needs beside `environ`; docs/performance.md says what it gains."""
    library = _tcmalloc() if sys.platform == "linux" else None
    if library is None or "LD_PRELOAD" in environ:  # keep the user's choice
        return dict(_THRESHOLDS)
    return {**_THRESHOLDS, "LD_PRELOAD": library}


@lru_cache
def _tcmalloc() -> str | None:
    """A name that the dynamic linker finds; None where it is not installed."""
    return find_library("tcmalloc_minimal")
