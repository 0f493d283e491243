"""Which keys a block may have, according to the pydantic models."""

from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from benchmark.methods.registry import settings_class
from benchmark.methods.settings import MethodSettings


def keys_at(
    model: type[BaseModel], loc: tuple[int | str, ...], written: dict[str, Any]
) -> list[str]:
    """The fields of the model below `model` at a pydantic error location; empty if there is none.

    The method's name in `written` determines its settings.
    """
    found = _models(model, list(loc))
    if found is MethodSettings:
        found = settings_class(written["method"]["name"])
    return list(found.model_fields) if found else []


def _models(model: Any, loc: list[int | str]) -> type[BaseModel] | None:
    for part in loc:
        if isinstance(part, int):
            continue
        model = _child(model, part)
        if model is None:
            return None
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _child(model: Any, part: str) -> Any:
    """The model below a key, or the member of a union with the tag `part` (name, on or kind)."""
    if get_origin(model) is dict:  # of any keys
        return _unwrap(get_args(model)[1])
    if isinstance(model, type) and issubclass(model, BaseModel):
        field = model.model_fields.get(part)
        return _unwrap(field.annotation) if field else None
    for member in model if isinstance(model, tuple) else ():
        for tag in ("name", "on", "kind"):
            field = member.model_fields.get(tag)
            if field and part in getattr(field.annotation, "__args__", ()):
                return member
    return None


def _unwrap(annotation: Any) -> Any:
    if get_origin(annotation) is dict:
        return annotation
    parts = [
        get_args(part)[0] if get_origin(part) is Annotated else part
        for part in get_args(annotation)
    ]
    members = [part for part in parts if isinstance(part, type)]
    models = tuple(a for a in members if issubclass(a, BaseModel))
    if isinstance(annotation, type):
        return annotation
    return models[0] if len(models) == 1 else models or None
