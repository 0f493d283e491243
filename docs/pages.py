"""MkDocs hook: the reference pages that are made from the code when the site is built."""

import json
from collections.abc import Iterator
from typing import Any, get_args

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from benchmark.ablation.schema import ablation_schema
from benchmark.column import Column
from benchmark.evaluation.columns import EVALUATION_COLUMNS, PROBE_COLUMNS
from benchmark.methods.columns import METHOD_COLUMNS
from benchmark.methods.settings import (
    BeganCsSettings,
    BeganSettings,
    DcganSettings,
    EbganSettings,
    WganGpSettings,
)
from benchmark.results.columns import EVIDENCE, RUN

METHODS = (BeganSettings, BeganCsSettings, EbganSettings, DcganSettings, WganGpSettings)
BLOCKS = ("method", "data", "training", "evaluation")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path, text in (("keys", keys_page()), ("columns", columns_page())):
        files.append(File.generated(config, f"reference/{path}.md", content=text))
    return files


def keys_page() -> str:
    """Every key of an ablation file: type, default, meaning."""
    schema = ablation_schema()
    defs = schema["$defs"]
    lines = ["# Keys of an ablation", "", "Made from the code. `bench schema` prints the same.", ""]
    lines += ["## The file", "", *_table(schema, schema["required"])]
    for block in BLOCKS:
        lines += [f"## {block}", ""]
        for name in dict.fromkeys(_below(defs, defs["blocks"]["properties"][block])):
            lines += _kind(name, defs[name])
    lines += ["## Claims", ""]
    for name in dict.fromkeys(_below(defs, schema["properties"]["claims"]["items"])):
        lines += _kind(name, defs[name])
    return "\n".join(lines) + "\n"


def columns_page() -> str:
    """Every column of the tables in results/: meaning, unit, which way is better, source."""
    lines = ["# Columns", "", "What the tables in `results/ABLATION/PROFILE/` hold.", ""]
    lines += ["An empty cell is a number that is not there: not measured yet, or undefined.", ""]
    lines += ["## runs.csv", "", "One row a run, its last values. Swept keys have columns too.", ""]
    lines += _columns(RUN)
    lines += [
        "Then the columns below, of its last rows. `heldout_` is a method's column over fixed"
    ]
    lines += ["held-out images; `best_` a distance at `best_step`; `noise_` the standard deviation"]
    lines += ["(in the column's unit) over draws from the same last weights.", ""]
    lines += ["## evaluations.csv and repeats.csv", ""]
    lines += ["One row an evaluation (`run_id`, `step`), or another draw of samples from the last"]
    lines += ["weights (`run_id`, `draw`).", "", *_columns(EVALUATION_COLUMNS)]
    lines += [
        "## train.csv",
        "",
        "One row (`run_id`, `step`) a logging step: means since the last.",
    ]
    lines += ["Every method has `lr` too, Adam's learning rate in force.", ""]
    for model in METHODS:
        name = get_args(model.model_fields["name"].annotation)[0]
        watched = ", ".join(f"`{column}`" for column in model.watch_columns)
        lines += [f"### {name}", "", f"Its signal is `{model.signal}`; held out: {watched}.", ""]
        lines += _columns(METHOD_COLUMNS[name])
    lines += ["## probes.csv", "", "One row a run that `bench probe` has seen.", ""]
    lines += _columns(PROBE_COLUMNS)
    for name, columns in EVIDENCE.items():
        lines += [f"## {name}.csv", "", *_columns(columns)]
    return "\n".join(lines) + "\n"


def _columns(columns: dict[str, Column]) -> list[str]:
    lines = ["| column | meaning | unit | better | source |", "| --- | --- | --- | --- | --- |"]
    for name, each in columns.items():
        cells = [f"`{name}`", each.meaning, each.unit, each.better, each.source]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def _kind(name: str, schema: Any) -> list[str]:
    tags = [schema["properties"].get(tag, {}).get("const") for tag in ("name", "on", "kind")]
    title = next((f"`{tag}`" for tag in tags if tag), name)
    table = _table(schema, schema.get("required", []))
    return [f"### {title}", "", schema["description"], "", *table]


def _below(defs: Any, schema: Any) -> Iterator[str]:
    """The models at and below a schema, outermost first."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield name
        for value in defs[name]["properties"].values():
            yield from _below(defs, value)
    for key in ("anyOf", "oneOf"):
        for part in schema.get(key, []):
            yield from _below(defs, part)


def _table(schema: Any, required: list[str]) -> list[str]:
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, value in schema["properties"].items():
        default = f"`{json.dumps(value['default'])}`" if "default" in value else ""
        default = "required" if key in required else default
        cells = [f"`{key}`", _type(value), default, value.get("description", "")]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def _type(value: Any) -> str:
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if "anyOf" in value or "oneOf" in value:
        parts = [_type(part) for part in value.get("anyOf", []) + value.get("oneOf", [])]
        return " or ".join(dict.fromkeys(parts))
    if "$ref" in value:
        return value["$ref"].rpartition("/")[2]
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {value[key]}" for key, sign in signs.items() if key in value]
    return ", ".join([str(value.get("type", "any")), *limits])
