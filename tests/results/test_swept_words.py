"""Words that read as numbers stay words, from the file to the verdict."""

import pytest

from benchmark.ablation.claims import swept_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("01", "01"),
        ("1", "1"),
        ("1e1", "1e1"),
        (1, "1"),
        (1.0, "1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1234567890123, "1234567890123"),
        (True, "True"),
        (None, ""),
        ({"b": 1, "a": [2]}, '{"a": [2], "b": 1}'),
    ],
)
def test_a_swept_value_as_text(value: object, text: str) -> None:
    assert swept_text(value) == text
