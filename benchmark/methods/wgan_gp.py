"""WGAN-GP: Improved training of Wasserstein GANs (arXiv 1704.00028).

    L_D = E D(G(z)) - E D(x) + lambda E (||grad D(x_hat)||_2 - 1)^2        (equation 3)
    L_G = -E D(G(z)),

x_hat = eps x + (1 - eps) G(z) with one eps, uniform in [0, 1], an image. E D(x) - E D(G(z)) is
the critic's estimate of the Wasserstein distance: the paper shows it falling as the samples get
better (section 5).

A step is one pass of Algorithm 1's inner loop, a critic update on x; after every `critic`-th the
generator is updated with codes of its own, as the algorithm has it.

The networks are DCGAN's, among those of section 5. The critic has layer norm in place of batch
norm, as section 4 recommends: the penalty is on the gradient of each image, and batch norm would
make it depend on the others. The start N(0, 0.02) is that of the authors' code (remembered).
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.column import Column
from benchmark.methods.cost import STRIDED_RATE, Work, work
from benchmark.methods.dcgan import (
    BASE,
    Generator,
    discriminator_layers,
    generator_layers,
    initialise,
    widths,
)
from benchmark.methods.method import Batch, Draw, Method, adam, gradient_norm
from benchmark.methods.settings import MethodSettings, Prior, Rate, Width

_CRITIC = "the critic's own, without a scale"
_COLUMNS = {
    "wasserstein": Column(
        "critic_real - critic_fake, the estimate of the distance", _CRITIC, "lower", "WGAN-GP, 2"
    ),
    "critic_real": Column("mean of the critic over real images", _CRITIC),
    "critic_fake": Column("mean of the critic over fakes", _CRITIC),
    "penalty": Column("(|gradient| - 1)^2, without its weight", "", "lower", "WGAN-GP, equation 3"),
    "loss_d": Column("critic_fake - critic_real + weighted penalty", _CRITIC, "", "WGAN-GP, 3"),
    "loss_g": Column("-critic_fake, at the generator's last update; repeated between two", _CRITIC),
    "grad_norm_d": Column("L2 norm of the gradient over the critic's weights"),
    "grad_norm_g": Column("of the generator's, at its last update; repeated between two"),
}


class WganGpSettings(MethodSettings):
    """WGAN-GP (arXiv 1704.00028). A step is one critic update; G is updated every `critic` ones."""

    name: Literal["wgan_gp"]
    n: Width = 64
    """Channels of the discriminator's first convolution; they double as the maps halve."""
    z: Width = 128
    """Dimensions of the generator's input."""
    critic: Annotated[int, Field(ge=1, le=100)] = 5
    """Critic updates, and so steps, for one update of the generator."""
    penalty: Annotated[float, Field(ge=0)] = 10.0
    """Weight of the gradient penalty."""
    prior: Prior = "normal"
    beta_1: Rate = 0.0
    beta_2: Rate = 0.9


class Critic(nn.Sequential):
    """(N, 3, S, S) -> (N,): DCGAN's discriminator with layer norm, over an image's whole map."""

    def __init__(self, size: int, n: int) -> None:
        channels = widths(size, n)
        layers: list[nn.Module] = [nn.Conv2d(3, n, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for narrow, wide in pairwise(channels):
            layers.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=False))
            layers += [nn.GroupNorm(1, wide), nn.LeakyReLU(0.2, inplace=True)]
        layers += [nn.Conv2d(channels[-1], 1, BASE), nn.Flatten(0)]
        super().__init__(*layers)
        initialise(self, 0.02)


class WGANGP(Method):
    """Critic and generator. What a row repeats between two generator steps is in buffers.

    It is not capturable: the generator is updated in some steps only, by a count on the host.
    """

    Settings = WganGpSettings
    columns = _COLUMNS
    heldout = ("wasserstein", "critic_real", "critic_fake")
    signal = "wasserstein"

    loss_g: Tensor
    grad_norm_g: Tensor

    def __init__(self, settings: WganGpSettings, size: int) -> None:
        super().__init__()
        self.settings = settings
        self.critic = Critic(size, settings.n)
        self.generator = Generator(size, settings.n, settings.z)
        # Critic updates so far. It decides which work a step does, so it stays on the host, where
        # reading it waits for no device; `get_extra_state` puts it into the checkpoint.
        self._updates = 0
        self.register_buffer("loss_g", torch.zeros(()))
        self.register_buffer("grad_norm_g", torch.zeros(()))
        betas = (settings.beta_1, settings.beta_2)
        self.optimizers = {
            "critic": adam(self.critic, betas),
            "generator": adam(self.generator, betas),
        }

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self._updates)

    def set_extra_state(self, state: Any) -> None:
        self._updates = int(state)

    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        """z standard normal (the authors' code), or uniform in [-1, 1]."""
        numbers = draw.uniform if self.settings.prior == "uniform" else draw.normal
        return numbers(stream, count, self.settings.z)

    def generate(self, z: Tensor) -> Tensor:
        images: Tensor = self.generator(z)
        return images

    def penalty(self, x: Tensor, fake: Tensor, draw: Draw) -> Tensor:
        """The mean over images of (||grad D(x_hat)||_2 - 1)^2, without lambda."""
        epsilon = (draw.uniform("epsilon", len(x), 1, 1, 1) + 1) / 2
        x_hat = (epsilon * x + (1 - epsilon) * fake).requires_grad_(True)
        # The critic sees each image by itself, so the gradient of the sum is that of each one.
        (gradient,) = torch.autograd.grad(self.critic(x_hat).sum(), x_hat, create_graph=True)
        penalty: Tensor = (torch.linalg.vector_norm(gradient, dim=(1, 2, 3)) - 1).square().mean()
        return penalty

    @classmethod
    def cost(cls, settings: WganGpSettings, size: int) -> Work:
        d, g = (
            discriminator_layers(size, settings.n),
            generator_layers(size, settings.n, settings.z),
        )
        # Three passes, one of them differentiated twice; G's update in each `critic`-th step.
        passes = (12 + 2 / settings.critic, 1 + 3 / settings.critic)
        return work(d, g, passes, STRIDED_RATE)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """One critic update on x, and one of the generator after every `critic`-th.

        Between two of those, `loss_g` and `grad_norm_g` are repeated. Before the first, G has not
        moved: its gradient counts as 0, and its loss is read off the critic's fakes.
        """
        x = batch.images
        self.optimizers["critic"].zero_grad(set_to_none=True)
        with torch.no_grad():
            fake = self.generate(self.latent(len(x), draw, "z_D"))
        critic_real, critic_fake = self.critic(x).mean(), self.critic(fake).mean()
        penalty = self.penalty(x, fake, draw)
        loss_d = critic_fake - critic_real + self.settings.penalty * penalty
        loss_d.backward()
        self.optimizers["critic"].step()

        self._updates += 1
        if self._updates % self.settings.critic == 0:
            self._update_generator(len(x), draw)
        elif self._updates < self.settings.critic:
            self.loss_g.copy_(-critic_fake.detach())

        return {
            "wasserstein": (critic_real - critic_fake).detach(),
            "critic_real": critic_real.detach(),
            "critic_fake": critic_fake.detach(),
            "penalty": penalty.detach(),
            "loss_d": loss_d.detach(),
            "loss_g": self.loss_g.clone(),
            "grad_norm_d": gradient_norm(self.critic),
            "grad_norm_g": self.grad_norm_g.clone(),
        }

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """The critic's means over real images and fakes, and their difference."""
        fake = self.generate(self.latent(len(batch.images), draw, "z_heldout"))
        critic_real, critic_fake = self.critic(batch.images).mean(), self.critic(fake).mean()
        return {
            "wasserstein": critic_real - critic_fake,
            "critic_real": critic_real,
            "critic_fake": critic_fake,
        }

    def _update_generator(self, count: int, draw: Draw) -> None:
        self.optimizers["generator"].zero_grad(set_to_none=True)
        loss = -self.critic(self.generate(self.latent(count, draw, "z_G"))).mean()
        # Through the critic, but not into its weights' gradients.
        loss.backward(inputs=list(self.generator.parameters()))
        self.loss_g.copy_(loss.detach())
        self.grad_norm_g.copy_(gradient_norm(self.generator))
        self.optimizers["generator"].step()
