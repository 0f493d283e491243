"""Translate pydantic's errors into `bench`'s wording: what would be allowed there."""

import re
from collections.abc import Mapping
from typing import Any

_WHOLE, _NUMBER, _TEXT, _LIST = "a whole number", "a number", "text", "a list"
_BLOCK = "a block of KEY: VALUE"
_ALLOWED = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "a finite number",
    "string_type": _TEXT,
    "bool_type": "true, false",
    "bool_parsing": "true, false",
    "none_required": "null",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _BLOCK,
    "model_type": _BLOCK,
    "model_attributes_type": _BLOCK,
    "model_class_or_instance": _BLOCK,
    "literal_error": "{expected}",
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
    said = str(fault["msg"]).removeprefix("Value error, ")
    return re.sub(r"^(Input|Value|String|List|Tuple) should (be|have) ", "", said)


def is_sentence(fault: Mapping[str, Any]) -> bool:
    """Whether `allowed` is a whole sentence, from one of our own checks."""
    return bool(fault["type"] == "value_error")
