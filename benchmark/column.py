"""What one column of a table means; the rooms that make columns list theirs in columns.py."""

from typing import Literal, NamedTuple


class Column(NamedTuple):
    """An entry of the reference of columns."""

    meaning: str
    # Empty for words, counts of nothing in particular, and pure numbers.
    unit: str = ""
    # Which way is better; empty where neither is, or where it depends.
    better: Literal["higher", "lower", ""] = ""
    # The paper and section, or the module, that defines it; empty where the meaning is all.
    source: str = ""
