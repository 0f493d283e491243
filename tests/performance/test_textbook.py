"""The yardstick is BEGAN, no straw man: it takes our own step when ours updates D first."""

import torch

from benchmark.methods.began import BEGAN, BeganSettings
from benchmark.methods.method import Batch
from performance.stepper import Joined, made
from performance.steps import AMX_WAYS, WAYS
from performance.textbook import Textbook
from tests.methods.fixed import GivenDraw, images


def test_the_textbook_step_is_our_alternating_one() -> None:
    torch.manual_seed(0)  # k's size at the end depends on the first weights
    theirs = Textbook(n=3, size=32, h=5, z=6, lr=1e-3)
    theirs.lambda_k = 0.5
    settings = BeganSettings(name="began", n=3, h=5, z=6, lambda_k=0.5, updates="alternating")
    ours = BEGAN(settings, 32)
    other = [*theirs.discriminator.parameters(), *theirs.generator.parameters()]
    mine = [*ours.discriminator.parameters(), *ours.generator.parameters()]
    for a, b in zip(mine, other, strict=True):
        a.data.copy_(b.data)
    for optimizer in ours.optimizers.values():
        optimizer.param_groups[0]["lr"] = 1e-3
    for step in range(4):
        codes = torch.rand(2, 4, 6, generator=torch.Generator().manual_seed(step)) * 2 - 1
        x = images(4, 32, seed=step)
        found = ours.update(Batch(x), GivenDraw(z_D=codes[0], z_G=codes[1]))
        wanted = theirs.update(x, codes[0], codes[1])
        torch.testing.assert_close(float(found["l_fake"]), wanted["l_fake"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(float(ours.k), theirs.k)
    assert theirs.k > 0.1
    for a, b in zip(mine, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_every_way_of_the_table_steps() -> None:
    for way in {way.partition("@")[0] for way in (*WAYS, *AMX_WAYS)}:
        made(way, n=2, size=16, batch=2)(1)


def test_one_pass_over_real_and_fake_is_the_same_step() -> None:
    settings = BeganSettings(name="began", n=3, h=5, z=6, lambda_k=0.5)
    torch.manual_seed(0)
    ours, joined = BEGAN(settings, 16), Joined(settings, 16)
    joined.load_state_dict(ours.state_dict())
    for step in range(3):
        codes = torch.rand(2, 4, 6, generator=torch.Generator().manual_seed(step)) * 2 - 1
        for method in (ours, joined):
            method.update(Batch(images(4, 16, seed=step)), GivenDraw(z_D=codes[0], z_G=codes[1]))
    assert ours.k > 0.05  # so that the fakes count
    torch.testing.assert_close(joined.k, ours.k)
    for a, b in zip(joined.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
