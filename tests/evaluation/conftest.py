"""What tests of the evaluation share."""

from collections.abc import Iterator

import pytest

from benchmark.evaluation.metrics import METRICS, Metric


@pytest.fixture
def registry() -> Iterator[dict[str, Metric]]:
    """The registry, as it was before afterwards."""
    before = dict(METRICS)
    yield METRICS
    METRICS.clear()
    METRICS.update(before)
