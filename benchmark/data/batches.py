"""Batches as a function of (seed, step): any step's batch can be made without the preceding
ones."""

from functools import lru_cache
from heapq import nsmallest

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.seeds import derive


@lru_cache(maxsize=32)  # a process has up to 32 lanes, each in an epoch of its own
def _permutation(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    generator = np.random.Generator(np.random.Philox(derive(seed, "batch", epoch)))
    order = generator.permutation(count)
    order.flags.writeable = False  # shared by all steps of the epoch
    return order


def batch_positions(
    split: NDArray[np.int64], seed: int, step: int, batch: int
) -> NDArray[np.int64]:
    """Positions (batch,) of the images of a step, counted from 0.

    Every epoch is a fresh permutation cut into whole batches; the incomplete last batch is dropped.
    Raises InputError where the split is smaller than one batch.
    """
    batches = len(split) // batch
    if batches == 0:
        raise InputError(
            f"training.batch: {batch} is more than the {len(split)} training images; lower it"
        )
    epoch, index = divmod(step, batches)
    order = _permutation(len(split), seed, epoch)
    return split[order[index * batch : (index + 1) * batch]]


def first_positions(positions: NDArray[np.int64], count: int) -> list[int]:
    """The first `count` of a fixed shuffling of `positions`, in the order of the store."""
    # Shuffled by hash: NumPy does not promise the same permutation in every version.
    return sorted(nsmallest(count, positions.tolist(), key=lambda p: derive(0, "evaluation", p)))
