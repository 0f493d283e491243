"""Images on the device are the store's, byte for byte; the CPU stands for the device."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data.settings import FacesSettings
from benchmark.data.store import open_store
from benchmark.training.resident import Batches

CPU = torch.device("cpu")


@pytest.mark.parametrize("resident", [True, False, None])
def test_batches_are_the_stores(resident: bool | None, cache: Path) -> None:
    store = open_store(FacesSettings(name="faces", size=16, count=1000), None, cache)
    batches = Batches(store, CPU, resident)
    at = np.array([999, 0, 7, 7])
    got = batches.batch(at, 3, 5)
    assert got.dtype == torch.uint8
    assert np.array_equal(got.numpy(), store.batch(at, 3, 5))


def test_what_is_turned_anew_at_each_visit_comes_from_the_store(cache: Path) -> None:
    view = {"name": "rotated", "degrees": 20.0, "draw": "visit"}
    settings = FacesSettings.model_validate(
        {"name": "faces", "view": view, "size": 16, "count": 100}
    )
    store = open_store(settings, None, cache)
    at = np.array([3, 50])
    assert np.array_equal(Batches(store, CPU).batch(at, 1, 2).numpy(), store.batch(at, 1, 2))
