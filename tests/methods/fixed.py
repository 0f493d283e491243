"""What the methods' tests share: draws that repeat themselves and one-parameter players."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmark.methods.method import Batch, Method


class FixedDraw:
    """The same numbers for a stream at every call, other ones for another stream."""

    def __init__(self, step: int = 0) -> None:
        self.step = step
        self.streams: list[tuple[str, str]] = []

    def _generator(self, kind: str, stream: str) -> torch.Generator:
        self.streams.append((kind, stream))
        return torch.Generator().manual_seed(sum(map(ord, stream)) + 1000 * self.step)

    def uniform(self, stream: str, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self._generator("uniform", stream)) * 2 - 1

    def normal(self, stream: str, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._generator("normal", stream))


class GivenDraw:
    """Given numbers by stream, whatever the distribution asked for."""

    def __init__(self, **numbers: Tensor) -> None:
        self.numbers = numbers

    def uniform(self, stream: str, *shape: int) -> Tensor:
        return self.numbers[stream].reshape(shape)

    def normal(self, stream: str, *shape: int) -> Tensor:
        return self.uniform(stream, *shape)


class OneWeight(nn.Module):
    """v -> rule(weight, v), to be differentiated by hand."""

    def __init__(self, weight: float, rule: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.rule = rule

    def forward(self, v: Tensor) -> Tensor:
        return self.rule(self.weight, v)


def images(count: int = 4, size: int = 16, seed: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, size, size, generator=generator) * 2 - 1


def with_norms(*norms: float, seed: int = 3) -> Tensor:
    """Images (N, 3, 16, 16) of the given L2 norms."""
    v = images(len(norms), seed=seed)
    wanted = torch.tensor(norms).reshape(-1, 1, 1, 1)
    return v / torch.linalg.vector_norm(v, dim=(1, 2, 3), keepdim=True) * wanted


def flat(*values: float) -> Tensor:
    """Images (N, 3, 16, 16) of one value each."""
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 3, 16, 16)


def goes_on(make: Callable[[], Method], steps: int, labels: Tensor | None = None) -> None:
    """A method that is built anew from its state at every step does as one that goes on."""
    whole, cut = make(), make()
    for step in range(1, steps + 1):
        rows = [whole.update(Batch(images(seed=step), labels), FixedDraw(step))]
        resumed = make()
        resumed.load_state_dict(cut.state_dict())
        for name, optimizer in resumed.optimizers.items():
            optimizer.load_state_dict(cut.optimizers[name].state_dict())
        cut = resumed
        rows.append(cut.update(Batch(images(seed=step), labels), FixedDraw(step)))
        assert rows[0] == rows[1]
