"""Whichever executor trains a sweep, wherever its runs lie: the same bits and the same REPORT.md.

Real runs, as short as they can be; what happens to them when something dies, the stubs show.
"""

from pathlib import Path

import pytest

from tests.executors.conftest import Sweep, check_same

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


# Without ("local", False), which is what they are compared with.
@pytest.mark.parametrize(
    ("executor", "stored"),
    [("local", True), ("ray", False), ("ray", True), ("slurm", False), ("slurm", True)],
    ids=["local-url", "ray-folder", "ray-url", "slurm-folder", "slurm-url"],
)
def test_every_executor_gives_the_same_report(
    executor: str,
    stored: bool,
    request: pytest.FixtureRequest,
    trained: Sweep,
    elsewhere: Sweep,
    tmp_path: Path,
) -> None:
    elsewhere.executor = (executor,)
    if executor == "ray":
        elsewhere.executor = ("ray", request.getfixturevalue("cluster").address)
    elif executor == "slurm":
        request.getfixturevalue("queue")
    if stored:
        elsewhere.store = tmp_path / "store"
    assert elsewhere.start().wait(1800) == 0, elsewhere.said()
    assert (elsewhere.folder / "runs").exists() != stored
    check_same(trained, elsewhere)
