"""What makes a step faster leaves every bit of the weights where it was."""

import os
import subprocess
import sys
from ctypes.util import find_library

import pytest
import torch

from benchmark.executors import allocator
from benchmark.methods.method import Batch
from benchmark.methods.registry import built_in
from benchmark.training.checkpoint import weights_digest
from benchmark.training.determinism import fix
from tests.methods.fixed import FixedDraw, images
from tests.methods.test_every_method import made

EVERY = pytest.mark.parametrize("name", built_in())


def digest_after(
    name: str, steps: int = 6, *, foreach: bool | None = None, fill: bool = False
) -> str:
    """Of a small method's weights; `fill` puts NaN into fresh memory."""
    fix(1)
    if fill:
        torch.utils.deterministic.fill_uninitialized_memory = True
    method = made(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group["foreach"] = group["foreach"] if foreach is None else foreach
    for step in range(steps):
        x = images().contiguous(memory_format=torch.channels_last)
        method.update(Batch(x), FixedDraw(step))
    return weights_digest(method)


@EVERY
def test_adam_over_lists_is_adam_one_by_one(name: str) -> None:
    found = digest_after(name)
    assert found == digest_after(name, foreach=False)
    assert found != digest_after(name, steps=5)


@EVERY
def test_no_operation_reads_memory_that_nothing_wrote(name: str) -> None:
    found = digest_after(name)
    assert not torch.utils.deterministic.fill_uninitialized_memory
    assert found == digest_after(name, fill=True)


@pytest.mark.skipif(find_library("tcmalloc_minimal") is None, reason="tcmalloc is not installed")
def test_the_allocator_of_a_worker_is_loaded_and_changes_no_bit() -> None:
    code = (
        "from benchmark.provenance import describe_process as d, torch\n"
        "from tests.training.test_same_bits import digest_after\n"
        "print(d(torch.device('cpu'))['allocator'], digest_after('began'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **allocator.variables()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["tcmalloc", digest_after("began")]


@pytest.mark.parametrize(
    ("system", "installed", "chosen", "preloaded"),
    [
        ("linux", "libtcmalloc_minimal.so.4", None, "libtcmalloc_minimal.so.4"),
        ("linux", None, None, None),
        ("darwin", "libtcmalloc_minimal.dylib", None, None),
        ("linux", "libtcmalloc_minimal.so.4", "libjemalloc.so.2", None),
    ],
)
def test_an_allocator_is_preloaded_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    installed: str | None,
    chosen: str | None,
    preloaded: str | None,
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(allocator, "_tcmalloc", lambda: installed)
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    if chosen:
        monkeypatch.setenv("LD_PRELOAD", chosen)
    found = allocator.variables()
    assert found.get("LD_PRELOAD") == preloaded
    assert "MALLOC_TRIM_THRESHOLD_" in found
