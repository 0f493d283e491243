"""BEGAN once more, by another road: recipes instead of modules, the objective term by term.

The networks are read off section 3.5 as programs over a list of weights; nothing of the package's
forward passes, losses or updates is used.
"""

from typing import Any

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from benchmark.methods.began import BEGAN, BeganSettings


class FixedDraw:
    """The same numbers for the same name, others for another; keeps the names."""

    def __init__(self) -> None:
        self.streams: list[str] = []

    def _generator(self, stream: str) -> torch.Generator:
        self.streams.append(stream)
        return torch.Generator().manual_seed(sum(map(ord, stream)))

    def uniform(self, stream: str, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self._generator(stream)) * 2 - 1

    def normal(self, stream: str, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._generator(stream))


def began(size: int = 16, seed: int = 0, **settings: Any) -> BEGAN:
    """A tiny float64 BEGAN whose optimizers keep the weights (their learning rate is 0)."""
    torch.manual_seed(seed)
    described = {"name": "began", "n": 2, "h": 3, "z": 4, **settings}
    return still(BEGAN(BeganSettings.model_validate(described), size).double())


def still(method: BEGAN) -> BEGAN:
    for optimizer in method.optimizers.values():
        optimizer.param_groups[0]["lr"] = 0.0
    return method


def images(count: int = 2, size: int = 16, seed: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, size, size, dtype=torch.float64, generator=generator) - 0.5


def encoder_program(design: str, scales: int) -> str:
    """c: convolution, d: convolution with stride 2."""
    return "c" + "cd" * scales + ("cc" if design == "figure_1" else "")


def decoder_program(design: str, scales: int, skips: bool) -> str:
    """c: convolution, u: nearest upsampling, s: join h_0."""
    text = "cc" + "uscc" * scales if design == "figure_1" else "cuc" + "scuc" * (scales - 1)
    return text if skips else text.replace("s", "")


def _run(program: str, layers: list[nn.Module], x: Tensor, carry: float) -> Tensor:
    h_0, layer = x, iter(layers)
    for letter in program:
        if letter == "u":
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        elif letter == "s":
            times = x.shape[-1] // h_0.shape[-1]
            x = torch.cat([x, h_0.repeat_interleave(times, 2).repeat_interleave(times, 3)], 1)
        else:
            part: Any = next(layer)
            weight, bias = part.convolution.weight, part.convolution.bias
            y = nnf.conv2d(x, weight, bias, stride=1 if letter == "c" else 2, padding=1)
            if part.norm is not None:
                mean = y.mean((0, 2, 3), keepdim=True)
                variance = (y - mean).square().mean((0, 2, 3), keepdim=True)
                y = (y - mean) / (variance + 1e-5).sqrt()
                y = y * part.norm.weight[:, None, None] + part.norm.bias[:, None, None]
            y = torch.where(y > 0, y, y.exp() - 1)
            x = carry * x + (1 - carry) * y if x.shape == y.shape else y
    assert next(layer, None) is None  # every weight was used
    return x


def encode(method: BEGAN, x: Tensor, carry: float = 0.0) -> Tensor:
    """(N, 3, S, S) -> what the fully connected layer gives."""
    encoder: Any = method.discriminator.encoder
    scales = {16: 1, 32: 2, 64: 3}[x.shape[-1]]
    program = encoder_program(method.settings.design, scales)
    last = _run(program, list(encoder.convolutions), x, carry)
    return last.reshape(len(x), -1) @ encoder.code.weight.T + encoder.code.bias


def decode(network: Any, settings: BeganSettings, code: Tensor, size: int, carry: float) -> Tensor:
    """(N, h) -> (N, 3, S, S), by the weights of `network`."""
    h_0 = (code @ network.start.weight.T + network.start.bias).reshape(len(code), -1, 8, 8)
    program = decoder_program(settings.design, {16: 1, 32: 2, 64: 3}[size], settings.skips)
    out = nnf.conv2d(
        _run(program, list(network.convolutions), h_0, carry),
        network.end.weight,
        network.end.bias,
        padding=1,
    )
    return torch.tanh(out) if settings.output == "tanh" else out


def generate(method: BEGAN, z: Tensor, size: int = 16, carry: float = 0.0) -> Tensor:
    return decode(method.generator, method.settings, z, size, carry)


def energy(
    method: BEGAN, v: Tensor, noise: Tensor | float = 0.0, eps: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    """L(v) and KL(q(code | v) || N(0, 1)) a dimension (0 for a plain auto-encoder)."""
    settings = method.settings
    code, kl = encode(method, v + settings.noise_sd * noise), torch.zeros(())
    if settings.kl_weight > 0:
        mean, deviation = code[:, : settings.h], (code[:, settings.h :] / 2).exp()
        unit = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
        found = torch.distributions.Normal(mean, deviation)
        kl = torch.distributions.kl_divergence(found, unit).mean()
        code = mean + deviation * eps
    difference = v - decode(method.discriminator.decoder, settings, code, v.shape[-1], 0.0)
    return (difference.abs() if settings.eta == 1 else difference**2).mean(), kl


def players(method: BEGAN) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    return list(method.discriminator.parameters()), list(method.generator.parameters())
