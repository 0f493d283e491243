"""Looks up the settings class for a `method` block, and the method for its settings.

A built-in method is a module beside this one: adding the file is enough. Any other is a class named
by its import path. torch is not imported before the first method is.
"""

import inspect
import json
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BeforeValidator, SerializeAsAny, ValidationError
from pydantic_core import PydanticKnownError

from benchmark.column import Column
from benchmark.errors import InputError, of_system
from benchmark.imports import load_class
from benchmark.methods.settings import LabelledSettings, MethodSettings

if TYPE_CHECKING:
    from benchmark.methods.method import Method

# Columns of a training row other than the method's, and prefixes of derived columns.
# results/columns.py knows the tables' other columns and rejects plans that reuse their names.
ROW = ("run_id", "step", "lr")
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

    Raises InputError where there is none, or where its class does not fulfil the method interface.
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
    # A copy: a constructor that mutates its settings would change the run's id.
    method = method_class(settings.name)(settings.model_copy(deep=True), size)
    from torch.nn.parameter import is_lazy

    for name, value in [*method.named_parameters(), *method.named_buffers()]:
        if is_lazy(value):
            raise InputError(
                f"{settings.name}: {name} has no shape yet (a lazy module); give it its size"
            )
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
    """Why a class is not a valid method, in words."""
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
    if not isinstance(columns, Mapping) or not columns:
        yield "columns must map each name to a benchmark.column.Column"
        return
    for name, column in columns.items():
        if not isinstance(column, Column):
            yield "columns must map each name to a benchmark.column.Column"
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            yield f"the column {name!r} needs a name of letters, digits and _"
        elif name in ROW or name.startswith(PREFIXES):
            yield f"the column {name!r} needs another name; the tables use this one already"
    folded = [str(name).lower() for name in columns]
    for name in columns:
        if folded.count(str(name).lower()) > 1:
            yield f"the column {name!r} differs from another one in case alone"
    for attribute in ("heldout", "sampled_by"):
        names = getattr(found, attribute)
        if not isinstance(names, tuple | list) or len(set(names)) < len(names):
            yield f"{attribute} must be a tuple of names, each once"
            return
    for name in (found.signal, *found.heldout):
        if name not in columns:
            yield f"{name!r} is not one of its columns ({', '.join(columns)})"
    if not has_code(found) and found.sample is Method.sample:
        yield "must define sample, or latent and generate"
    if not (isinstance(found.Settings, type) and issubclass(found.Settings, MethodSettings)):
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
    if ":" not in name:
        return model.model_validate(value)
    try:
        found = model.model_validate(value)
    except ValidationError:
        raise
    except Exception as error:
        raise InputError(f"{name}: its settings raise {_told(error)}") from error
    try:
        again = model.model_validate(json.loads(found.model_dump_json()))
    except Exception as error:
        raise InputError(
            f"{name}: its settings cannot be written as JSON ({_told(error)})"
        ) from error
    if again != found:
        raise InputError(f"{name}: its settings change in a round trip through JSON")
    return found


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {of_system(error)[:160]}"


# The `method` block: an instance of the settings of the method that its `name` says.
ChosenMethod = Annotated[SerializeAsAny[MethodSettings], BeforeValidator(_chosen)]
