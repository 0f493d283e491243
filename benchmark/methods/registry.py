"""From a `method` block to its settings, and from settings to the method that they name.

A method of the package is a module beside this one: adding the file is enough. Any other is a
class named by its import path. torch is imported with the first method, not before.
"""

import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BeforeValidator, SerializeAsAny
from pydantic_core import PydanticKnownError

from benchmark.column import Column
from benchmark.errors import InputError
from benchmark.imports import load_class
from benchmark.methods.settings import LabelledSettings, MethodSettings

if TYPE_CHECKING:
    from benchmark.methods.method import Method

# Columns that tables have already, and what derived columns begin with.
RESERVED = frozenset(
    [
        "run_id",
        "label",
        "cell",
        "seed",
        "method",
        "signal",
        "judge",
        "draw",
        "state",
        "reason",
        "step",
        "collapsed",
        "collapsed_at",
        "best_step",
        "parameters",
        "wall_s",
        "cpu_s",
        "weights_sha256",
        "commit",
        "instructions",
        "data",
        "lr",
        "distance",
        "distance_validation",
        "distance_infinite",
        "kid",
        "kid_sd",
        "precision",
        "recall",
        "density",
        "coverage",
        "sharpness",
        "spread",
        "brightness",
        "contrast",
    ]
)
PREFIXES = ("heldout_", "best_", "noise_")


def built_in() -> list[str]:
    """The names of the package's methods."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return [module.name for module in modules if _defined_in(module.name)]


def built_in_settings() -> list[type[MethodSettings]]:
    """The settings of the package's methods, in the order of their names."""
    return [method_class(name).Settings for name in built_in()]


@cache
def method_class(name: str) -> "type[Method]":
    """The method called `name`: one of the package, or an import path.

    Raises InputError where there is none, or where its class is not what a method must be.
    """
    found = load_class(name) if ":" in name else _defined_in(name)
    if found is None:
        raise InputError(f"unknown method {name!r}; the package has: {', '.join(built_in())}")
    for fault in _faults(found):
        raise InputError(f"{name}: {fault}")
    checked: type[Method] = found
    return checked


def build(settings: MethodSettings, size: int) -> "Method":
    """The method on images of `size` pixels, freshly initialised from torch's global generator."""
    method = method_class(settings.name)(settings, size)
    kept = tuple(f"{name}." for name in method.sampled_by)
    if not any(f"{name}.".startswith(kept) for name in method.state_dict()):
        raise InputError(
            f"{settings.name}: sampled_by must name what its samples are made by; it has no "
            f"{' or '.join(method.sampled_by)}"
        )
    return method


def settings_class(name: str) -> type[MethodSettings] | None:
    """The settings of the method called `name`; None where the package has no such method.

    Raises InputError for an import path without a method.
    """
    if ":" in name or _defined_in(name):
        return method_class(name).Settings
    return None


@cache
def _defined_in(name: str) -> "type[Method] | None":
    """The method that the module of this name in the package defines, if any."""
    if not name.isidentifier() or find_spec(f"{__package__}.{name}") is None:
        return None
    for found in vars(import_module(f"{__package__}.{name}")).values():
        fields = getattr(getattr(found, "Settings", None), "model_fields", {})
        if "name" in fields and get_args(fields["name"].annotation) == (name,):
            method: type[Method] = found
            return method
    return None


def _faults(found: Any) -> Iterator[str]:
    """What keeps a class from being a method, in words."""
    from benchmark.methods.method import Method, has_code

    if not (isinstance(found, type) and issubclass(found, Method)):
        yield "not a subclass of benchmark.methods.method.Method"
        return
    if inspect.isabstract(found):
        yield f"does not define {' and '.join(sorted(found.__abstractmethods__))}"
    for name in ("columns", "heldout", "signal"):
        if not hasattr(found, name):
            yield f"has no `{name}`; see benchmark.methods.method.Method"
            return
    columns = found.columns
    if not all(isinstance(each, Column) for each in columns.values()):
        yield "columns must map each name to a benchmark.column.Column"
    for name in columns:
        if name in RESERVED or name.startswith(PREFIXES) or not name.isidentifier():
            yield f"the column {name!r} needs another name; the tables use this one already"
    for name in (found.signal, *found.heldout):
        if name not in columns:
            yield f"{name!r} is not one of its columns ({', '.join(columns)})"
    if not has_code(found) and found.sample is Method.sample:
        yield "must define sample, or latent and generate"
    if not issubclass(found.Settings, MethodSettings):
        yield "Settings must be a subclass of benchmark.methods.settings.MethodSettings"
    if found.labelled != issubclass(found.Settings, LabelledSettings):
        yield "a labelled method's Settings, and no other's, are a subclass of LabelledSettings"


def _chosen(value: Any) -> Any:
    """The settings of the method that a block names."""
    if not isinstance(value, dict):
        return value
    name = value.get("name")
    if not isinstance(name, str):
        raise PydanticKnownError("union_tag_not_found", {"discriminator": "'name'"})
    model = settings_class(name)
    if model is None:
        expected = ", ".join(f"'{each}'" for each in (*built_in(), "external"))
        raise PydanticKnownError(
            "union_tag_invalid",
            {"discriminator": "'name'", "tag": name, "expected_tags": expected},
        )
    return model.model_validate(value)


# The `method` block: an instance of the settings of the method that its `name` says.
ChosenMethod = Annotated[SerializeAsAny[MethodSettings], BeforeValidator(_chosen)]
