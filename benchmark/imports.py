"""Classes from outside the package, named by import path. What is imported is code and runs."""

import inspect
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmark.errors import InputError, of_system
from benchmark.files import sha256


def load_class(path: str) -> Any:
    """What stands at `package.module:Name`; raises InputError where there is nothing.

    The working folder is searched last, after all that is installed.
    """
    name, _, kind = path.partition(":")
    here = Path.cwd()
    if str(here) not in sys.path:  # where the user's own methods, data sets and judges may be
        sys.path.append(str(here))
    how = (
        "name a class as package.module:Class that Python finds from this folder or in its"
        " environment"
    )
    try:
        with redirect_stdout(sys.stderr):  # keeps its prints out of our output
            module = import_module(name)
        if Path.cwd() != here:
            raise ImportError("it changes the working folder, below which the runs lie")
    except (Exception, SystemExit) as error:
        said = of_system(error) if isinstance(error, ImportError) else _told(error)
        raise InputError(f"{path}: cannot be imported ({said}); {how}") from error
    if not hasattr(module, kind):  # another module of that name may have been meant
        file = getattr(module, "__file__", None) or "a module of Python itself"
        raise InputError(f"{path}: there is no {kind} in {name} ({file}); {how}")
    return getattr(module, kind)


def method_code(name: str) -> str | None:
    """SHA-256 of the file of a method from outside the package; None for the package's own."""
    if ":" not in name:
        return None
    try:
        source = inspect.getsourcefile(load_class(name))
        return sha256(Path(source)) if source else None
    except (TypeError, OSError):  # made by a program, or in an archive
        return None


def _told(error: BaseException) -> str:
    """The exception raised by external code, for people."""
    return f"it raises {type(error).__name__}: {of_system(error)}"
