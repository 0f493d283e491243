"""Classes from outside the package, named by import path. What is imported is code and runs."""

from importlib import import_module
from typing import Any

from benchmark.errors import InputError


def load_class(path: str) -> Any:
    """What stands at `package.module:Name`; raises InputError where there is nothing.

    `bench` itself also looks in the working folder (see cli.py).
    """
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # whatever that code does
        said = str(error) if isinstance(error, ImportError | AttributeError) else repr(error)
        raise InputError(
            f"{path}: cannot be imported ({said}); name a class as package.module:Class that "
            "Python finds from this folder or in its environment"
        ) from error
