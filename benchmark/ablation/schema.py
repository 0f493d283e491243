"""The JSON Schema (draft 2020-12) of an ablation file, made from the pydantic models.

`base`, a profile and a variant hold parts of a block, which are checked once they are merged. So no
key of a block is required here, and a block without its `name` (or `on`) may be of any kind.
Constraints between keys, and sizes that the networks support, are checked by `bench validate`. Of a
method from outside the package only a block with its `name` is known here.
"""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from benchmark.ablation.plan import (
    BLOCKS,
    EVALUATION,
    PAIRED,
    VARIANT_NAME,
    VARIANTS,
    AblationFile,
)
from benchmark.ablation.tuning import TUNE, TuneSettings
from benchmark.evaluation.settings import EvaluationSettings
from benchmark.methods.registry import built_in_settings
from benchmark.spec import RunSpec

Json = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
OPTIONS = r"^data\.options\.[^.]+$"
IMPORT_PATH = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
_REF = "#/$defs/"
# Only a plug-in knows its own settings.
_PLUGIN: Json = {
    "type": "object",
    "description": "A method from outside the package: `name` is the import path of its class.",
    "properties": {"name": {"type": "string", "pattern": IMPORT_PATH}},
    "required": ["name"],
}


def ablation_schema() -> Json:
    """The schema as a JSON value; the same bytes for the same code."""
    methods = built_in_settings()
    roots: list[type[BaseModel]] = [AblationFile, RunSpec, EvaluationSettings, TuneSettings]
    roots += methods
    made, found = models_json_schema([(model, "validation") for model in roots])
    defs: Json = found["$defs"]
    file, run = defs.pop("AblationFile"), defs.pop("RunSpec")["properties"]
    claims = AblationFile.model_json_schema()["$defs"]
    for name, schema in defs.items():
        schema["description"] = schema.get("description", "").partition("\n\n")[0]
        for key, value in schema["properties"].items():
            value.pop("title", None)
            if key in ("name", "on", "kind"):
                value.setdefault("description", schema["description"])
        if name not in claims:  # a part of a block
            schema.pop("required", None)
            for value in schema["properties"].values():
                _untag(value)
    of_methods = [{"$ref": made[model, "validation"]["$ref"]} for model in methods]
    run["method"] = {"anyOf": [*of_methods, _PLUGIN]}
    _untag(run["data"])
    run[EVALUATION] = {"$ref": made[EvaluationSettings, "validation"]["$ref"]}
    defs.pop("MethodSettings", None)
    # A view may be given by its name alone; `data/settings.py` expands it.
    for block, key in (
        ("FacesSettings", "view"),
        ("CelebASettings", "view"),
        ("JudgeSettings", "reference_view"),
    ):
        view = defs[block]["properties"][key]
        kinds = [defs[ref.removeprefix(_REF)]["properties"]["name"]["const"] for ref in _refs(view)]
        view["anyOf"].append({"enum": kinds})
    # A range may be given by its choices alone; `ablation/tuning.py` expands it.
    ranges = defs["TuneSettings"]["properties"]["arms"]["additionalProperties"]
    listed = {"type": "array", "minItems": 2}
    ranges["additionalProperties"] = {"anyOf": [ranges["additionalProperties"], listed]}
    tune = {"$ref": made[TuneSettings, "validation"]["$ref"]}
    blocks = {
        key: {**run[key], "description": f"Settings of the {key} block."}
        for key in (*BLOCKS, EVALUATION)
    }
    of_runs = {key: blocks[key] for key in BLOCKS}
    defs["blocks"] = {"type": "object", "properties": blocks, "additionalProperties": False}
    defs["variant"] = {"type": "object", "properties": of_runs, "additionalProperties": False}
    defs["sweep"] = _sweep(_dotted(defs, of_runs))
    file["properties"][TUNE] |= {"anyOf": [tune, {"type": "null"}]}
    defs["profile"] = _profile(
        {**blocks, TUNE: file["properties"][TUNE]}, file["properties"]["seeds"]
    )
    text = json.dumps({"$schema": DIALECT, **_file(file), "$defs": defs})
    whole: Json = json.loads(text, object_hook=_folded)
    return whole


def _folded(part: Json) -> Json:
    """The same with its description on one line."""
    if isinstance(part.get("description"), str):
        part["description"] = " ".join(part["description"].split())
    return part


def _untag(union: Json) -> None:
    """Without its tag a partial block matches several kinds."""
    union.pop("discriminator", None)
    if "oneOf" in union:
        union["anyOf"] = union.pop("oneOf")
    for part in union.get("anyOf", []):
        _untag(part)


def _refs(schema: Any) -> Iterator[str]:
    """The references of a schema and of the alternatives in it."""
    if "$ref" in schema:
        yield schema["$ref"]
    for part in schema.get("anyOf", []):
        yield from _refs(part)


def _dotted(defs: Json, blocks: Json) -> Json:
    """Every dotted key, as in a sweep, with its schema."""
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
    listed: Json = {"type": "array", "minItems": 1}
    return {
        "type": "object",
        "description": "What varies: all combinations of the values of every key.",
        "properties": {
            VARIANTS: {
                "type": "object",
                "description": "Named sets of settings, over the base; null leaves one out.",
                "propertyNames": {"pattern": f"^(?:{VARIANT_NAME})$"},
                "additionalProperties": {"anyOf": [{"$ref": f"{_REF}variant"}, {"type": "null"}]},
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
            **{key: {**listed, "items": each} for key, each in dotted.items()},
        },
        "patternProperties": {OPTIONS: listed},
        "additionalProperties": False,
    }


def _profile(blocks: Json, seeds: Json) -> Json:
    return {
        "type": "object",
        "description": "What this profile changes, over the base; nothing else differs.",
        "properties": {
            **blocks,
            "seeds": seeds,
            "sweep": {"$ref": f"{_REF}sweep"},
            "finding": {
                "type": "boolean",
                "description": "False for a demonstration: what it shows is no finding.",
            },
        },
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
