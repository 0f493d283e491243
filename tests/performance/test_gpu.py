"""The GPU script as far as a CPU takes it: its parts."""

import numpy as np
import pytest
import torch

from performance import gpu
from performance.roofline import work
from performance.stepper import pixels
from performance.sweep import ratio

CPU = torch.device("cpu")


def test_its_parts_run_without_a_gpu() -> None:
    found = gpu.steps(2, 16, CPU, ["float32"], rounds=1, count=1)
    assert list(found) == ["textbook", "float32", "float32, 3 lanes", "float32, 9 lanes"]
    assert all(row["seconds"] > 0 for row in found.values())
    assert gpu.batches(CPU, count=2, images=32)["ratio"] > 0
    assert abs(gpu.frechet(CPU, images=60, width=8)["off"]) < 1e-6


def test_runs_side_by_side_are_trained_by_the_code_of_lanes() -> None:
    found = gpu.whole_runs(2, 16, "bfloat16", lanes=2, device="cpu", count=8)
    assert found["lanes"] == 2
    assert 0 < found["seconds"] < 10


def test_operations_are_those_counted_by_hand() -> None:
    """At 16 px, n = 2, h = z = 64, a multiply-add being two operations."""

    def convolutions(*layers: tuple[int, int, int]) -> int:
        return sum(2 * 9 * a * b * side**2 for a, b, side in layers)

    encoder = [(3, 2, 16), (2, 2, 16), (2, 4, 8), (4, 4, 8), (4, 4, 8)]
    decoder = [(2, 2, 8), (2, 2, 8), (2, 2, 16), (2, 2, 16), (2, 3, 16)]
    code, start = 2 * 64 * 256, 2 * 64 * 128
    e, d = convolutions(*encoder) + code, convolutions(*decoder) + start
    first = convolutions(encoder[0])  # the gradient to images: only G's pass wants it
    # Three passes, three gradients to weights, and all but one to inputs.
    passes = 3 * (e + d) + 2 * d
    weights = 2 * (e + d) + d
    inputs = 3 * (e + d) - 2 * first + d - start
    assert work("ours", 2, 16, batch=16)["flop"] == 16 * (passes + weights + inputs)


def test_a_sweep_goes_in_whole_rounds() -> None:
    assert ratio(ours=3.0, textbook=3.0, runs=9, jobs=2) == pytest.approx(5 / 9)
    assert ratio(ours=1.0, textbook=2.0, runs=8, jobs=4) == pytest.approx(1 / 8)


def test_steps_of_a_batch_are_like_pixels() -> None:
    found = pixels(16, 3, 4)
    assert found.shape == (4, 3, 16, 16)
    assert np.array_equal(found, pixels(16, 3, 4))
    assert not np.array_equal(found, pixels(16, 4, 4))
