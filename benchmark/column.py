"""The meaning of one column of a table; packages that produce columns list theirs in columns.py."""

from typing import Literal, NamedTuple


class Column(NamedTuple):
    """An entry of the reference of columns."""

    meaning: str
    # Empty for words, plain counts, and dimensionless numbers.
    unit: str = ""
    # Which direction is better; empty if neither is, or if it depends.
    better: Literal["higher", "lower", ""] = ""
    # The paper and section, or the module, that defines it; empty if the meaning says it all.
    source: str = ""
