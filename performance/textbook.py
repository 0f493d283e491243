"""The textbook BEGAN step, as public ports write it: what the speed of ours is measured against.

Three passes of the discriminator (x, G(z_D), G(z_G)), two backward passes, eager, torch's default
memory format and Adam, k a Python number. L_G's gradient is computed for D's weights too and
thrown away. Networks are those of `design: figure_1`, so the operations are the same.
"""

import torch
from torch import Tensor, nn

BASE = 8  # pixels of the last map


def _pair(channels_in: int, channels_out: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_in, 3, 1, 1),
        nn.ELU(True),
        nn.Conv2d(channels_in, channels_out, 3, stride, 1),
        nn.ELU(True),
    ]


def encoder(n: int, size: int, h: int) -> nn.Sequential:
    """(N, 3, S, S) -> (N, h)."""
    layers: list[nn.Module] = [nn.Conv2d(3, n, 3, 1, 1), nn.ELU(True)]
    width = n
    while size > BASE:
        layers += _pair(width, width + n, stride=2)
        width, size = width + n, size // 2
    layers += _pair(width, width)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(BASE * BASE * width, h))


def decoder(n: int, size: int, h: int) -> nn.Sequential:
    """(N, h) -> (N, 3, S, S)."""
    layers: list[nn.Module] = [nn.Linear(h, BASE * BASE * n), nn.Unflatten(1, (n, BASE, BASE))]
    layers += _pair(n, n)
    while size > BASE:
        layers += [nn.UpsamplingNearest2d(scale_factor=2), *_pair(n, n)]
        size //= 2
    return nn.Sequential(*layers, nn.Conv2d(n, 3, 3, 1, 1))


class Textbook:
    """Both players and their updates, D before G."""

    def __init__(self, n: int, size: int, h: int = 64, z: int = 64, lr: float = 1e-4) -> None:
        self.discriminator = nn.Sequential(encoder(n, size, h), decoder(n, size, h))
        self.generator = decoder(n, size, z)
        self.optimizer_d = torch.optim.Adam(self.discriminator.parameters(), lr=lr)
        self.optimizer_g = torch.optim.Adam(self.generator.parameters(), lr=lr)
        self.k, self.gamma, self.lambda_k = 0.0, 0.5, 0.001

    def update(self, x: Tensor, z_d: Tensor, z_g: Tensor) -> dict[str, float]:
        """One step on x (N, 3, S, S) in [-1, 1] with codes (N, Z) for each player."""
        self.optimizer_d.zero_grad()
        fake_d = self.generator(z_d).detach()
        l_real = (self.discriminator(x) - x).abs().mean()
        l_fake_d = (self.discriminator(fake_d) - fake_d).abs().mean()
        (l_real - self.k * l_fake_d).backward()
        self.optimizer_d.step()

        self.optimizer_g.zero_grad()
        fake_g = self.generator(z_g)
        l_fake = (self.discriminator(fake_g) - fake_g).abs().mean()
        l_fake.backward()
        self.optimizer_g.step()

        balance = self.gamma * l_real.item() - l_fake.item()
        self.k = min(max(self.k + self.lambda_k * balance, 0.0), 1.0)
        return {"l_real": l_real.item(), "l_fake": l_fake.item(), "k": self.k}
