"""BEGAN: Boundary Equilibrium Generative Adversarial Networks (arXiv 1703.10717v4).

The discriminator is an auto-encoder. Its energy is its reconstruction error (section 3.1),

    L(v) = |v - D(v)|^eta,

taken as the mean over pixels and images. The objective (section 3.4, equation 5):

    L_D = L(x) - k_t L(G(z_D))
    L_G = L(G(z_G))
    k_{t+1} = clip(k_t + lambda_k (gamma L(x) - L(G(z_G))), 0, 1),    k_0 = 0

and the measure of convergence (section 3.4.1):

    M_global = L(x) + |gamma L(x) - L(G(z_G))|.
"""

from itertools import chain

import torch
from torch import Tensor, nn

from benchmark.methods.method import Draw, Method
from benchmark.methods.settings import BeganSettings

BASE = 8  # pixels of the last map, section 3.5


def _conv(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, padding=1), nn.ELU(inplace=True)
    )


class Encoder(nn.Sequential):
    """(N, 3, S, S) -> (N, h). Figure 1: channels n, 2n, 3n, ..., growing as the map is halved."""

    def __init__(self, size: int, n: int, h: int) -> None:
        layers: list[nn.Module] = [_conv(3, n)]
        scales = (size // BASE).bit_length() - 1
        for scale in range(1, scales + 1):
            layers += [_conv(scale * n, scale * n), _conv(scale * n, (scale + 1) * n, stride=2)]
        width = (scales + 1) * n
        layers += [_conv(width, width), _conv(width, width)]
        layers += [nn.Flatten(), nn.Linear(BASE * BASE * width, h)]
        super().__init__(*layers)


class Decoder(nn.Sequential):
    """(N, h) -> (N, 3, S, S). Figure 1: n channels throughout, nearest-neighbour upsampling."""

    def __init__(self, size: int, n: int, h: int) -> None:
        layers: list[nn.Module] = [
            nn.Linear(h, BASE * BASE * n),
            nn.Unflatten(1, (n, BASE, BASE)),
            _conv(n, n),
            _conv(n, n),
        ]
        for _ in range((size // BASE).bit_length() - 1):
            layers += [nn.Upsample(scale_factor=2, mode="nearest"), _conv(n, n), _conv(n, n)]
        layers.append(nn.Conv2d(n, 3, 3, padding=1))
        super().__init__(*layers)


class BEGAN(Method):
    """Both players and their balance. G has the decoder's shape and weights of its own."""

    k: Tensor

    def __init__(self, settings: BeganSettings, size: int) -> None:
        super().__init__()
        self.settings = settings
        self.discriminator = nn.Sequential(
            Encoder(size, settings.n, settings.h), Decoder(size, settings.n, settings.h)
        )
        self.generator = Decoder(size, settings.n, settings.z)
        self.register_buffer("k", torch.zeros(()))
        # Section 4.1: Adam with its default hyper-parameters; the loop sets the learning rate.
        self.optimizers = {
            "discriminator": torch.optim.Adam(self.discriminator.parameters()),
            "generator": torch.optim.Adam(self.generator.parameters()),
        }

    def energy(self, v: Tensor) -> Tensor:
        """L(v), section 3.1: the mean over v (N, 3, S, S) of |v - D(v)|^eta."""
        error = (v - self.discriminator(v)).abs()
        energy: Tensor = (error if self.settings.eta == 1 else error.square()).mean()
        return energy

    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        """z uniform in [-1, 1]^N_z, section 3.5."""
        return draw.uniform(stream, count, self.settings.z)

    def generate(self, z: Tensor) -> Tensor:
        images: Tensor = self.generator(z)
        return images

    def update(self, x: Tensor, draw: Draw) -> dict[str, Tensor]:
        """Equation 5: both gradients at the same weights, then both steps (no alternation)."""
        gamma, lambda_k = self.settings.gamma, self.settings.lambda_k
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

        with torch.no_grad():
            fake_d = self.generate(self.latent(len(x), draw, "z_D"))
        l_real, l_fake_d = self.energy(x), self.energy(fake_d)
        (l_real - self.k * l_fake_d).backward()  # type: ignore[no-untyped-call]

        # L_G's gradient passes through D to the generator but must not reach D's weights.
        self.discriminator.requires_grad_(False)
        l_fake = self.energy(self.generate(self.latent(len(x), draw, "z_G")))
        l_fake.backward()  # type: ignore[no-untyped-call]
        self.discriminator.requires_grad_(True)

        norms = {
            f"grad_norm_{name[0]}": nn.utils.get_total_norm(
                [p.grad for p in group if p.grad is not None]
            )
            for name, group in (
                ("discriminator", list(self.discriminator.parameters())),
                ("generator", list(self.generator.parameters())),
            )
        }
        for optimizer in self.optimizers.values():
            optimizer.step()

        with torch.no_grad():
            l_real, l_fake, l_fake_d = l_real.detach(), l_fake.detach(), l_fake_d.detach()
            drive = gamma * l_real - l_fake
            metrics = {
                "l_real": l_real,
                "l_fake": l_fake,
                "l_fake_d": l_fake_d,
                "k": self.k.clone(),
                "m_global": l_real + drive.abs(),
                "balance": drive.abs(),
                "ratio": l_fake / l_real,
                **norms,
            }
            self.k.add_(lambda_k * drive).clamp_(0, 1)
        return metrics

    def watch(self, x: Tensor, z: Tensor) -> dict[str, Tensor]:
        """L(x), L(G(z)) and M_global on fixed images and codes."""
        l_real, l_fake = self.energy(x), self.energy(self.generate(z))
        balance = (self.settings.gamma * l_real - l_fake).abs()
        return {
            "l_real": l_real,
            "l_fake": l_fake,
            "m_global": l_real + balance,
            "balance": balance,
            "ratio": l_fake / l_real,
        }

    def parameter_count(self) -> int:
        """Of both players, as the paper counts them (17.3 M at 128 px, n = 128)."""
        players = chain(self.discriminator.parameters(), self.generator.parameters())
        return sum(p.numel() for p in players)
