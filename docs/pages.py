"""Write the pages of docs/reference/ that are made from the code."""

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.ablation.schema import ablation_schema
from benchmark.column import Column
from benchmark.evaluation.columns import EARLIER_PROBE_COLUMNS, probe_columns
from benchmark.evaluation.metrics import METRICS
from benchmark.methods import LEARNING_RATE
from benchmark.methods.registry import built_in, method_class
from benchmark.results.columns import EVALUATION, EVIDENCE, RUN

BLOCKS = ("method", "data", "training", "evaluation")


def pages() -> dict[str, str]:
    """The text of each page by its name below docs/reference/."""
    return {"methods.md": methods_page(), "keys.md": keys_page(), "columns.md": columns_page()}


def methods_page() -> str:
    """Every method of the package: paper, equations, and where it departs from them."""
    lines = [
        "# Methods",
        "",
        "Made from the code. Words in code type are settings, mostly of",
    ]
    lines += ["departures: [all settings](keys.md#method), [all columns](columns.md).", ""]
    for name in built_in():
        module = inspect.getdoc(inspect.getmodule(method_class(name))) or ""
        title, _, text = module.partition("\n")
        lines += [
            f"## {title.rstrip('.')}",
            "",
            f"`method: {{name: {name}}}`",
            "",
            text.strip("\n"),
            "",
        ]
    return "\n".join(lines) + "\n"


def keys_page() -> str:
    """Every key of an ablation file: type, default, meaning."""
    schema = ablation_schema()
    defs = schema["$defs"]
    lines = [
        "# Keys of an ablation",
        "",
        "Made from the code. `bench schema` prints the same.",
        "",
    ]
    schema["properties"]["sweep"]["description"] = defs["sweep"]["description"]
    lines += ["## The file", "", *_table(schema, schema["required"])]
    for block in BLOCKS:
        lines += [f"## {block}", ""]
        for name in dict.fromkeys(_below(defs, defs["blocks"]["properties"][block])):
            lines += _kind(name, defs[name])
    lines += ["## tune", ""]
    for name in dict.fromkeys(_below(defs, schema["properties"]["tune"])):
        lines += _kind(name, defs[name])
    lines += ["## Claims", ""]
    for name in dict.fromkeys(_below(defs, schema["properties"]["claims"]["items"])):
        lines += _kind(name, defs[name])
    return "\n".join(lines) + "\n"


def columns_page() -> str:
    """Every column of the tables in results/: meaning, unit, which way is better, source."""
    lines = [
        "# Columns",
        "",
        "What the tables in `results/ABLATION/PROFILE/` hold; made from the code by",
    ]
    lines += ["An empty cell is a number that is not there: not measured yet, or undefined.", ""]
    lines += ["## runs.csv", "", "One row a run, its last values. Swept keys have columns too.", ""]
    lines += _columns(RUN)
    lines += ["Then the last values of the columns below, the metrics by the headline judge."]
    lines += ["`heldout_` is a method's column over fixed held-out images; `noise_` the standard"]
    lines += ["deviation (in the column's unit) over draws from the same last weights.", ""]
    lines += ["## evaluations.csv", ""]
    lines += ["One row a judge, snapshot (`run_id`, `step`) and draw of samples from it.", ""]
    metrics = {k: Column(m.meaning, m.unit, m.better, m.source) for k, m in METRICS.items()}
    lines += [*_columns({**EVALUATION, **metrics})]
    lines += ["`images.csv` has the same metrics of images from outside, one row a set and judge."]
    lines += ["", "## train.csv.gz and heldout.csv", ""]
    lines += ["One row (`run_id`, `step`) a logging step, means since the last, or a snapshot,"]
    lines += ["the method's own measures over the same held-out images, named `heldout_`.", ""]
    lines += ["Every method has this column in train.csv.gz:", "", *_columns({"lr": LEARNING_RATE})]
    for name in built_in():
        method = method_class(name)
        watched = ", ".join(f"`{column}`" for column in method.heldout)
        lines += [f"### {name}", "", f"Its signal is `{method.signal}`; held out: {watched}.", ""]
        lines += _columns(method.columns)
    lines += [
        "## probes.csv",
        "",
        "One row a run that a probe has seen. Columns of features are of",
    ]
    lines += ["the headline judge; those of another one begin with `judges.NAME.`.", ""]
    lines += _columns({**probe_columns(), **EARLIER_PROBE_COLUMNS})
    for name, columns in EVIDENCE.items():
        lines += [f"## {name}.csv", "", *_columns(columns)]
    return "\n".join(lines) + "\n"


def _columns(columns: Mapping[str, Column]) -> list[str]:
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
    parts = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    for part in [*parts, *schema.get("patternProperties", {}).values()]:
        yield from _below(defs, part)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _below(defs, schema["additionalProperties"])


def _table(schema: Any, required: list[str]) -> list[str]:
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, value in schema["properties"].items():
        default = f"`{json.dumps(value['default'])}`" if "default" in value else ""
        default = "required" if key in required else default
        meaning = " ".join(value.get("description", "").split())
        cells = [f"`{key}`", _type(value), default, meaning]
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


if __name__ == "__main__":
    for name, text in pages().items():
        (Path(__file__).parent / "reference" / name).write_text(text, encoding="utf-8")
