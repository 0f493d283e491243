"""The processor cores of this process."""

import os


def usable() -> int:
    """How many it may use, which a cluster's job may have fewer of than the machine."""
    if hasattr(os, "sched_getaffinity"):  # on Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
