"""A Ray cluster that is not there is one line, at once."""

import time

import pytest

pytest.importorskip("ray", reason="needs the extra: pip install .[ray]")

from benchmark.errors import BenchError
from benchmark.executors.ray import connect


def test_an_address_where_nobody_answers() -> None:
    began = time.monotonic()
    with pytest.raises(BenchError, match=r"no cluster at 127.0.0.1:9 .*--address") as caught:
        connect("127.0.0.1:9")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 20
