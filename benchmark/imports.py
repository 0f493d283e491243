"""Classes from outside the package, named by import path. What is imported is code and runs."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmark.errors import InputError


def load_class(path: str) -> Any:
    """The class at `package.module:Class`, looked for in the working folder too.

    Raises InputError where there is none.
    """
    module, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"{path}: cannot be imported ({error}); name a class as package.module:Class that "
            "Python finds from this folder or in its environment"
        ) from None
