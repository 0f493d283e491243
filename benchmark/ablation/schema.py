"""The JSON Schema (draft 2020-12) of an ablation file, made from the pydantic models.

`base`, a profile and a variant hold parts of a block, which are checked once they are merged. So no
key of a block is required here, and a block without its `name` (or `on`) may be any of its kinds.
What one key may be beside another, and which sizes the networks can halve, `bench validate` says.
"""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter

from benchmark.ablation.comments import meaning, meanings
from benchmark.ablation.plan import BLOCKS, PAIRED, VARIANT_NAME, VARIANTS, AblationFile
from benchmark.spec import RunSpec

Json = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
OPTIONS = r"^(method|data)\.options\.[^.]+$"
_REF = "#/$defs/"


def ablation_schema() -> Json:
    """The schema as a JSON value; the same bytes for the same code."""
    models = {model.__name__: model for model in _models(AblationFile, RunSpec)}
    _, found = TypeAdapter.json_schemas(
        [(model, "validation", TypeAdapter(model)) for model in (AblationFile, RunSpec)]
    )
    defs: Json = found["$defs"]
    partial = {model.__name__ for model in _models(RunSpec)}
    for name, model in models.items():
        _explain(defs[name], model)
        if name in partial:
            _make_partial(defs[name])
    file, run = defs.pop("AblationFile"), defs.pop("RunSpec")["properties"]
    # A view may be given by its name alone; `data/settings.py` expands it.
    for block in ("FacesSettings", "CelebASettings"):
        _name_suffices(defs, defs[block]["properties"]["view"])
    _name_suffices(defs, defs["EvaluationSettings"]["properties"]["reference_view"])
    blocks = {key: {**run[key], "description": f"Settings of the {key} block."} for key in BLOCKS}
    defs["blocks"] = {"type": "object", "properties": blocks, "additionalProperties": False}
    defs["sweep"] = _sweep(_dotted(defs, blocks))
    defs["profile"] = _profile(blocks, file["properties"]["seeds"])
    return {"$schema": DIALECT, **_file(file), "$defs": defs}


def _models(*roots: Any) -> Iterator[type[BaseModel]]:
    """Every model that the annotations of `roots` name, each once."""
    waiting, seen = list(roots), set()
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, type) and issubclass(part, BaseModel):
            if part in seen:
                continue
            seen.add(part)
            yield part
            waiting += [field.annotation for field in part.model_fields.values()]
        else:
            waiting += get_args(part)


def _explain(schema: Json, model: type[BaseModel]) -> None:
    """Descriptions from the docstring and the comments; no titles, which only repeat the keys."""
    schema["description"] = meaning(model)
    for key, value in schema["properties"].items():
        value.pop("title", None)
        if text := meanings(model).get(key):
            value["description"] = text
        elif key in ("name", "on", "kind"):
            value["description"] = meaning(model)


def _make_partial(schema: Json) -> None:
    schema.pop("required", None)
    for value in schema["properties"].values():
        # Without its tag a part fits several kinds.
        value.pop("discriminator", None)
        if "oneOf" in value:
            value["anyOf"] = value.pop("oneOf")


def _name_suffices(defs: Json, schema: Json) -> None:
    kinds = [defs[name.removeprefix(_REF)]["properties"]["name"]["const"] for name in _refs(schema)]
    schema["anyOf"].append({"enum": kinds})


def _refs(schema: Any) -> Iterator[str]:
    """The references of a schema and of the alternatives in it."""
    if "$ref" in schema:
        yield schema["$ref"]
    for part in schema.get("anyOf", []):
        yield from _refs(part)


def _dotted(defs: Json, blocks: Json) -> Json:
    """Every key with the blocks above it, as a sweep writes it, and what it may be."""
    found: dict[str, dict[str, None]] = {}
    for block, schema in blocks.items():
        for at, ref in _keys(defs, schema, block):
            found.setdefault(at, {})[ref] = None
    return {at: {"anyOf": [{"$ref": ref} for ref in refs]} for at, refs in found.items()}


def _keys(defs: Json, schema: Json, above: str) -> Iterator[tuple[str, str]]:
    for ref in _refs(schema):
        for key, value in defs[ref.removeprefix(_REF)]["properties"].items():
            yield f"{above}.{key}", f"{ref}/properties/{key}"
            yield from _keys(defs, value, f"{above}.{key}")


def _sweep(dotted: Json) -> Json:
    """Lists of values by dotted key, paired settings, and named variants."""
    return {
        "type": "object",
        "description": "What varies: all combinations of the values of every key.",
        "properties": {
            VARIANTS: {
                "type": "object",
                "description": "Named sets of settings, over the base; null leaves one out.",
                "propertyNames": {"pattern": f"^(?:{VARIANT_NAME})$"},
                "additionalProperties": {"anyOf": [{"$ref": f"{_REF}blocks"}, {"type": "null"}]},
            },
            PAIRED: {
                "type": "array",
                "description": "Settings that go together, each with the same keys.",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": dotted,
                    "patternProperties": {OPTIONS: True},
                    "additionalProperties": False,
                },
            },
            **{
                key: {"type": "array", "minItems": 1, "items": value}
                for key, value in dotted.items()
            },
        },
        "patternProperties": {OPTIONS: {"type": "array", "minItems": 1}},
        "additionalProperties": False,
    }


def _profile(blocks: Json, seeds: Json) -> Json:
    return {
        "type": "object",
        "description": "What this profile changes, over the base; nothing else differs.",
        "properties": {**blocks, "seeds": seeds, "sweep": {"$ref": f"{_REF}sweep"}},
        "additionalProperties": False,
    }


def _file(file: Json) -> Json:
    """The file itself, with what its blocks may hold."""
    keys: Json = file["properties"]
    keys["base"] = {"$ref": f"{_REF}blocks", "description": keys["base"]["description"]}
    keys["sweep"] = {"$ref": f"{_REF}sweep", "minProperties": 1}
    names = keys["profiles"].pop("patternProperties")
    (pattern,) = names
    file |= {"title": "An ablation of began-bench", "description": "One question."}
    keys["profiles"] |= {
        "patternProperties": {pattern: {"$ref": f"{_REF}profile"}},
        "additionalProperties": False,
    }
    return file
