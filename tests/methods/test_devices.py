"""Every method's update, watch and samples stay on one device, and never wait for it.

`training/loop.py` draws a step's numbers and its batch on the CPU and moves them; all that comes
after is on the device. Whoever reads a value there (`.item()`) stops the queue at every step.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.methods.method import Batch, Draw, Method, has_encoder
from benchmark.methods.registry import build, built_in, method_class
from benchmark.training.loop import to_floats, to_uint8
from tests.devices import META, MetaDraw, OneDevice, moved, pixels
from tests.methods.plugins.codeless import Mixture, MixtureSettings
from tests.methods.test_plugins import ALI, CONDITIONAL, MIXTURE

# At each step both players move: no critic goes ahead, so that one step is all of an update.
AT_ONCE: dict[str, dict[str, Any]] = {
    "wgan": {"critic": 1, "long_critic": 1, "warm_up": 1},
    "wgan_gp": {"critic": 1},
}
# Where settings take another way through the method.
WAYS: dict[str, list[dict[str, Any]]] = {
    "began": [
        {},
        {"shared_z": True, "leak": True},
        {"updates": "alternating", "kl_weight": 0.1, "noise_sd": 0.1, "carry_steps": 5, "eta": 2},
    ],
    "ebgan": [{"pulling_away": 0.1}],
}
EVERY = [
    *(
        pytest.param({"name": name, **more}, id=" ".join([name, *more]))
        for name in built_in()
        for more in WAYS.get(name, [{}])
    ),
    *(pytest.param(block, id=block["name"]) for block in (ALI, MIXTURE, CONDITIONAL)),
]


def made(block: dict[str, Any]) -> Method:
    settings = method_class(block["name"]).Settings
    tiny = {} if ":" in block["name"] else {"n": 2}
    lists = {key: tuple(value) for key, value in block.items() if isinstance(value, list)}
    chosen = settings.model_validate({**tiny, **AT_ONCE.get(block["name"], {}), **block, **lists})
    return moved(lambda: build(chosen, 16))


def batch(method: Method, count: int = 4) -> Batch:
    with OneDevice():
        images = to_floats(pixels(count, 16), META)
    settings = getattr(method, "settings", None)
    labels = len(getattr(settings, "attributes", ("Smiling", "Bald")))
    return Batch(images, torch.empty(count, labels, device=META) if method.labelled else None)


@pytest.mark.parametrize("block", EVERY)
def test_it_stays_on_its_device(block: dict[str, Any]) -> None:
    method, draw = made(block), MetaDraw()
    assert {
        p.device for o in method.optimizers.values() for g in o.param_groups for p in g["params"]
    }
    with OneDevice():
        trained = method.update(batch(method), draw)
        method.eval()
        with torch.no_grad():
            watched = method.watch(batch(method, 8), draw)
            samples = to_uint8(method.sample(5, draw, "z_eval"))
            codes = method.encode(batch(method).images, draw) if has_encoder(method) else None
    assert list(trained) == list(method.columns)
    assert tuple(watched) == method.heldout
    for value in (*trained.values(), *watched.values()):
        assert value.is_meta or value.shape == ()
        assert not value.requires_grad
    assert samples.is_meta
    assert samples.shape == (5, 3, 16, 16)
    assert codes is None or codes.is_meta


class Planted(Mixture):
    """Faults that a CPU never shows: a constant that is no buffer, a value that is read."""

    fault = ""

    def __init__(self, settings: MixtureSettings, size: int) -> None:
        super().__init__(settings, size)
        self.basis = torch.eye(3 * size * size)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        trained = super().update(batch, draw)
        if self.fault == "a constant in a product":
            batch.images.flatten(1) @ self.basis  # meta alone takes it
        if self.fault == "a tensor made anew":
            torch.zeros(len(batch.images))
        if self.fault == "a value that is read":
            trained["error"].item()
        if self.fault == "a branch on a value":
            assert trained["noise"] >= 0
        if self.fault == "a number moved to the host":
            trained["error"] + batch.images.cpu().sum()
        return trained

    def sample(self, count: int, draw: Draw, stream: str) -> Tensor:
        samples = super().sample(count, draw, stream)
        if self.fault == "a layer that was never moved":
            return nn.functional.conv2d(samples, torch.ones(3, 3, 1, 1))
        return samples


@pytest.mark.parametrize(
    "fault",
    [
        "a constant in a product",
        "a tensor made anew",
        "a value that is read",
        "a branch on a value",
        "a number moved to the host",
        "a layer that was never moved",
    ],
)
def test_a_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    block = {"name": "tests.methods.test_devices:Planted", "images": 5}
    test_it_stays_on_its_device(block)
    monkeypatch.setattr(method_class(block["name"]), "fault", fault)
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
        test_it_stays_on_its_device(block)
