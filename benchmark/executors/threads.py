"""The CPU threads of a process: set before anything imports NumPy or torch, which this does not."""

import os

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def pin_threads(threads: int) -> None:
    """Give NumPy's libraries as many threads as torch will have; call it before importing them.

    Their number can change the last digits of a figure.
    """
    os.environ.update(dict.fromkeys(_VARIABLES, str(threads)))
