"""Settings of a process's environment that are meant for other programs and must not affect this
one."""

import atexit
import os
import shutil
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path


def settle() -> None:
    """Make this process independent of them; call it before the libraries are imported."""
    _open_streams()
    _give_a_home()
    os.environ.pop("MPLBACKEND", None)  # of figures in windows
    # Inherited by every Python process that this one starts, including MLflow's page and Slurm's
    # jobs.
    os.environ["PYTHONSAFEPATH"] = "1"
    if "PYTHONWARNINGS" in os.environ:  # for programs of one's own; -W is meant for this one
        _warn_as_usual()


def _open_streams() -> None:
    """Make standard streams accept every character and exist: a service may have closed them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        # In a locale without UTF-8, and of file names that are no text.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _give_a_home() -> None:
    """A home directory for libraries that need one to start; removed with the process.

    A user that the system does not know, as in a container, has none unless HOME names it.
    """
    try:
        Path.home()
    except RuntimeError:
        with suppress(OSError):
            home = tempfile.mkdtemp(prefix="bench-home-")
            atexit.register(shutil.rmtree, home, ignore_errors=True)
            os.environ["HOME"] = home


def _warn_as_usual() -> None:
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
