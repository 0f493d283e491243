"""Translate pydantic's errors into `bench`'s wording: what would be allowed there."""

import re
from collections.abc import Mapping
from typing import Any

# By the first word of a fault's type, where the whole type is not below.
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "bool": "true, false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a block of KEY: VALUE",
    "model": "a block of KEY: VALUE",
}
_ALLOWED = {
    "finite_number": "a finite number",
    "none_required": "null",
    "enum": "{expected}",
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number >= {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number <= {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
}
_PART = r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*"
# Of benchmark/strict.py and data/settings.py, for people.
_PATTERNS = {
    r"^[a-z0-9][a-z0-9_-]*$": "lower-case letters, digits, _ and -",
    rf"^{_PART}(/{_PART})*$": "a path below --data-root, without ..",
    r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$": "an import path as in module:Class",
}


def allowed(fault: Mapping[str, Any]) -> str:
    """What the value could have been; `fault` is one of ValidationError.errors()."""
    context = {k: f"{v:g}" if isinstance(v, float) else v for k, v in fault.get("ctx", {}).items()}
    if context.get("pattern") in _PATTERNS:
        return _PATTERNS[context["pattern"]]
    if fault["type"] == "literal_error":
        return ", ".join(re.split(", | or ", str(context["expected"]))).replace("'", "")
    if fault["type"] == "union_tag_invalid":
        return str(context["expected_tags"]).replace("'", "")
    if fault["type"] in _ALLOWED:
        return _ALLOWED[fault["type"]].format(**context)
    kind = fault["type"].partition("_")[0]
    if kind in _KINDS:
        return _KINDS[kind]
    said = str(fault["msg"]).removeprefix("Value error, ")
    return re.sub(r"^(Input|Value|String|List|Tuple) should (be|have) ", "", said)
