"""Keep secrets out of what is written and printed: in URLs, in options, from the environment."""

import os
import re
from typing import Any

HIDDEN = "***"
_WORDS = r"(?:token|secret|passw(?:or)?d|api[_-]?key|access[_-]?key|credential)"
# scheme://user:password@host; the user may be a token itself, so all of it goes. A password may
# have slashes, but a few digits between a colon and a slash are a host's port.
_USER = re.compile(r"(?<=://)(?:[^/\s@]+|[^/:\s@]*:(?!\d{1,5}/)[^\s@]*)(?=@)")
# token=..., --password ..., in a URL's query, an option or an assignment.
_NAMED = re.compile(rf"(?i)([\w-]*{_WORDS}[\w-]*\s*[=:]\s*)[^\s&'\",;]+")
_SECRET_VARIABLE = re.compile(rf"(?i){_WORDS}|_key$|_pat$")
_SHORTEST = 6  # a shorter value would be found inside innocent words


def redact(text: str) -> str:
    """`text` without credentials and without the value of any secret-looking variable."""
    for name, value in os.environ.items():
        if _SECRET_VARIABLE.search(name) and len(value) >= _SHORTEST:
            text = text.replace(value, HIDDEN)
    return _NAMED.sub(rf"\1{HIDDEN}", _USER.sub(HIDDEN, text))


def redacted(record: Any) -> Any:
    """A JSON-like record with every string in it redacted; keys stay."""
    if isinstance(record, str):
        return redact(record)
    if isinstance(record, dict):
        return {key: redacted(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [redacted(value) for value in record]
    return record
