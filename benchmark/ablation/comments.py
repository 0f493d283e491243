"""What the comments above a settings model's fields say: the one place where a key is explained."""

import ast
import inspect
import sys
from functools import cache

from pydantic import BaseModel


def meaning(model: type[BaseModel]) -> str:
    """The first paragraph of the model's docstring, on one line."""
    return " ".join(inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0].split())


@cache
def meanings(model: type[BaseModel]) -> dict[str, str]:
    """The comment above each field, on one line.

    A field without one has that of the type it names, as in `crop: Crop`; a field of neither is
    left out.
    """
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            found |= _of_module(cls.__module__).get(cls.__name__, {})
    return {name: text for name, text in found.items() if name in model.model_fields}


@cache
def _of_module(module: str) -> dict[str, dict[str, str]]:
    source = inspect.getsource(sys.modules[module])
    tree, lines = ast.parse(source), source.splitlines()
    types = {
        target.id: text
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and (text := _above(lines, node.lineno))
    }
    return {
        node.name: {
            field.target.id: said
            for field in node.body
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if (said := _above(lines, field.lineno) or types.get(ast.unparse(field.annotation)))
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _above(lines: list[str], lineno: int) -> str:
    """The whole-line comments that end right above a line (counted from 1), joined."""
    first = lineno - 1
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return " ".join(line.strip().removeprefix("#").strip() for line in lines[first : lineno - 1])
