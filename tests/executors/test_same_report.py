"""Whichever executor trains a sweep: the same bits and the same REPORT.md.

Real runs, as short as they can be; what happens to them when something dies, the stubs show.
"""

import pytest

from tests.executors.conftest import Sweep, check_same

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize("executor", ["ray", "slurm"])
def test_every_executor_gives_the_same_report(
    executor: str, request: pytest.FixtureRequest, trained: Sweep, elsewhere: Sweep
) -> None:
    elsewhere.executor = (executor,)
    if executor == "ray":
        elsewhere.executor = ("ray", request.getfixturevalue("cluster").address)
    else:
        request.getfixturevalue("queue")
    assert elsewhere.start().wait(1800) == 0, elsewhere.said()
    check_same(trained, elsewhere)
