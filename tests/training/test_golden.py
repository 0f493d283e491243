"""The weights of a tiny run, bit for bit as on the day that its digest was written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmark.data.store import open_store
from benchmark.executors.instructions import has
from benchmark.training.checkpoint import weights_digest
from benchmark.training.loop import Step
from tests.conftest import tiny_spec

# Of torch 2.15 held to AVX2. Another torch may give other bits; another commit may not, unless it
# says why in its message and every committed result is made again.
DIGEST = "74eb2549a35928a37b21d57658588dcd24f0ae0c80ea16b048220681200f4c89"


def digest(cache: Path) -> str:
    """Of all weights after 20 steps: seed, faces, batches, codes, networks, losses and Adam."""
    spec = tiny_spec(training={"steps": 20})
    step = Step(spec, open_store(spec.data, None, cache), torch.device("cpu"), graphs=False)
    for number in range(1, spec.training.steps + 1):
        step(number, 1e-4)
    return weights_digest(step.method)


@pytest.mark.skipif(not has("AVX2"), reason="the processor does not say it has AVX2")
def test_the_weights_are_what_they_were(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from benchmark.executors.instructions import hold_to; hold_to('AVX2')\n"
        "from tests.training.test_golden import digest; print(digest(Path(sys.argv[1])))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == DIGEST
