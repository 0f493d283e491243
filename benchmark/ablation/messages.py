"""Faults of an ablation file in one line: the key's path, what was found and what is allowed."""

import difflib
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from benchmark.errors import InputError
from benchmark.faults import allowed as allowed_by
from benchmark.methods.registry import settings_class
from benchmark.methods.settings import MethodSettings
from benchmark.text import shortened

# pydantic's names for the members of a union of single values.
_KINDS = ("bool", "int", "float", "str")
LONGEST = 120
"""Characters of a value quoted in a message."""


class FileError(InputError):
    """What is wrong in an ablation file; it does not say in which, as `plan.load` does."""


def found(value: Any, lead: str = "found ") -> str:
    """What was written, as quoted in a message: on one line, and shortened if long."""
    return f"{lead}{shortened(repr(value), LONGEST)}"


def refuse_unknown(where: str, what: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise FileError unless `value` is one of `allowed`; `what` says what it should be."""
    if value not in allowed:
        raise FileError(
            f"{where}: {found(value, f'unknown {what} ')}{nearest(value, allowed)}; "
            f"allowed: {', '.join(allowed)}"
        )


def nearest(key: str, allowed: tuple[str, ...] | list[str]) -> str:
    """A question after the nearest name where one of `allowed` is close to `key`."""
    close = difflib.get_close_matches(key, allowed, 1)
    return f", did you mean {close[0]!r}?" if close else ""


def one_line(
    where: str, error: ValidationError, written: dict[str, Any], model: type[BaseModel]
) -> str:
    """The first fault of `written`, a `model`: key's path, what was found and allowed."""
    # An unknown key comes first: a misspelt key is also a missing one.
    fault = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    keys = _keys(fault["loc"], written)
    at = ".".join(keys)
    if not at:  # the whole of what was written
        where, at = where.removesuffix("."), "" if where else "file"
    if fault["type"] == "extra_forbidden":
        allowed = _keys_at(model, fault["loc"][:-1], written)
        known = f"; allowed: {', '.join(allowed)}" if allowed else ""
        return f"{where}{at}: unknown key{nearest(keys[-1], allowed)}{known}"
    if fault["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"{where}{_no_such_kind(at, fault['ctx'])}"
    if fault["type"] == "missing":
        return f"{where}{at}: missing"
    if fault["type"] == "value_error":  # a whole sentence, from one of our own checks
        is_block = isinstance(fault["input"], dict | list | BaseModel)  # too much to quote
        quoted = "" if is_block else f"{found(fault['input'])}; "
        return f"{where}{at}: {quoted}{allowed_by(fault)}"
    if fault["loc"][-1:] and fault["loc"][-1] in _KINDS:  # one fault for each possible kind
        at, above = ".".join(keys[:-1]), fault["loc"][:-1]
        alike = (each for each in error.errors() if each["loc"][:-1] == above)
        allowed = list(dict.fromkeys(map(allowed_by, alike)))
        return f"{where}{at}: {found(fault['input'])}; allowed: {', '.join(allowed)}"
    return f"{where}{at}: {found(fault['input'])}; allowed: {allowed_by(fault)}"


def plainly(error: ValidationError) -> str:
    """The first fault in a file not written by people: the key's path and what is allowed there."""
    first = error.errors()[0]
    at = ".".join(map(str, first["loc"]))
    said = {"missing": "missing", "extra_forbidden": "unknown key"}.get(first["type"])
    if said is None:
        said = f"{'' if first['type'] == 'value_error' else 'allowed: '}{allowed_by(first)}"
    return f"{at}: {said}" if at else said


def _no_such_kind(at: str, said: dict[str, Any]) -> str:
    """The message for a block with no kind, or an unknown one, from what pydantic `said`."""
    # pydantic gives 'on', or _name() if a function, named after the key, reads it.
    key = said["discriminator"].strip("_'()")
    if "tag" not in said:
        return f"{at}.{key}: missing; it says which kind of {at.rpartition('.')[2]} this is"
    kinds = [kind.strip(" '") for kind in said["expected_tags"].split(",")]
    known = ["an import path as in module:Class" if kind == "external" else kind for kind in kinds]
    close = nearest(said["tag"], kinds)
    return f"{at}.{key}: found {said['tag']!r}{close}; allowed: {', '.join(known)}"


def _keys(loc: tuple[int | str, ...], written: Any) -> list[str]:
    """The keys of a pydantic location as they stand in the file: without the tags of unions."""
    here, keys = written, list[str]()
    for part in loc:
        try:
            here = here[part]
        except (LookupError, TypeError):  # nothing of that name or place
            # A claim's kind may be left out; it is then a trend.
            if isinstance(here, dict) and part in (*here.values(), "trend"):
                continue
        keys.append(str(part))
    return keys


def _keys_at(
    model: type[BaseModel], loc: tuple[int | str, ...], written: dict[str, Any]
) -> list[str]:
    """The fields of the model below `model` at a pydantic error location; empty if there is none.

    The method's name in `written` determines its settings.
    """
    found: Any = model
    for part in loc:
        if isinstance(part, str):  # and not a place in a list
            found = _child(found, part)
    if found is MethodSettings:
        found = settings_class(written["method"]["name"])
    return list(found.model_fields) if _is_model(found) else []


def _is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)


def _child(model: Any, part: str) -> Any:
    """The model below a key, or the member of a union with the tag `part` (name, on or kind)."""
    if get_origin(model) is dict:  # of any keys
        return _unwrap(get_args(model)[1])
    if _is_model(model):
        field = model.model_fields.get(part)
        return _unwrap(field.annotation) if field else None
    for member in model if isinstance(model, tuple) else ():
        for tag in ("name", "on", "kind"):
            field = member.model_fields.get(tag)
            if field and part in getattr(field.annotation, "__args__", ()):
                return member
    return None


def _unwrap(annotation: Any) -> Any:
    """A class or a dict's type as it is; of a union its model, or all of them in a tuple."""
    if get_origin(annotation) is dict or isinstance(annotation, type):
        return annotation
    parts = [
        get_args(part)[0] if get_origin(part) is Annotated else part
        for part in get_args(annotation)
    ]
    models = tuple(filter(_is_model, parts))
    return models[0] if len(models) == 1 else models
