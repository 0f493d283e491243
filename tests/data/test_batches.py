"""Batches are a function of (seed, step)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.data.batches import _permutation, batch_positions
from benchmark.errors import InputError

GOLDEN_FIRST = [1757, 5711, 2928, 5939, 6216, 1627, 1355, 90]
GOLDEN_LATER = [2955, 4151, 4174, 6760, 2270, 1205, 3396, 3969]


@given(
    count=st.integers(1, 60),
    batch=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 5),
)
def test_an_epoch_is_a_permutation_cut_into_whole_batches(
    count: int, batch: int, seed: int, epoch: int
) -> None:
    split = np.arange(count) * 7 + 3  # positions, not indices of the split
    batches = count // batch
    if batches == 0:
        with pytest.raises(InputError, match=f"{batch} is more than the {count} training images"):
            batch_positions(split, seed, epoch, batch)
        return
    steps = range(epoch * batches, (epoch + 1) * batches)
    seen = np.concatenate([batch_positions(split, seed, step, batch) for step in steps])
    assert len(seen) == len(set(seen.tolist())) == batches * batch
    assert set(seen.tolist()) <= set(split.tolist())


def test_batches_re_made_out_of_order_are_equal() -> None:
    split = np.arange(100, 150)
    steps = np.arange(40)
    inorder = {int(step): batch_positions(split, 3, int(step), 16) for step in steps}
    for step in np.random.default_rng(0).permutation(steps).tolist():
        again = batch_positions(split, 3, step, 16)
        assert np.array_equal(again, inorder[step])
        again[:] = 0  # what the caller does with a batch is not seen by the next


def test_lanes_side_by_side_make_each_order_once() -> None:
    _permutation.cache_clear()
    for step in range(30):
        for seed in range(32):
            batch_positions(np.arange(160), seed, 10 * seed + step // 3, 16)
    assert _permutation.cache_info().misses == 32


def test_epochs_and_seeds_differ() -> None:
    split = np.arange(160)

    def epoch(seed: int, number: int) -> list[int]:
        steps = range(10 * number, 10 * number + 10)
        return np.concatenate([batch_positions(split, seed, step, 16) for step in steps]).tolist()

    orders = [epoch(0, 0), epoch(0, 1), epoch(0, 2), epoch(1, 0)]
    assert all(sorted(order) == split.tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_order_is_the_one_of_the_committed_results() -> None:
    """NumPy may change what `permutation` draws; a run would then not be re-made by its spec."""
    assert batch_positions(np.arange(7000), 0, 0, 8).tolist() == GOLDEN_FIRST
    assert batch_positions(np.arange(7000), 0, 1749, 8).tolist() == GOLDEN_LATER  # epoch 1's last
