"""WGAN-GP: Improved training of Wasserstein GANs (arXiv 1704.00028).

    L_D = E D(G(z)) - E D(x) + lambda E (||grad D(x_hat)||_2 - 1)^2        (equation 3)
    L_G = -E D(G(z)),

x_hat = eps x + (1 - eps) G(z) with one eps per image, uniform in [0, 1]. E D(x) - E D(G(z)) is the
critic's estimate of the Wasserstein distance: the paper shows it falling as the samples get better
(section 5).

A step is one pass of Algorithm 1's inner loop, a critic update on x; after every `critic`-th the
generator is updated with its own codes, as in the algorithm.

The networks are DCGAN's, among those of section 5. The critic has layer norm in place of batch
norm, as section 4 recommends: the penalty is on the gradient of each image, and batch norm would
make it depend on the other images. The initialisation N(0, 0.02) is from the authors' code (from
memory).
"""

from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.column import Column
from benchmark.methods.cost import STRIDED_RATE, Work, work
from benchmark.methods.dcgan import Discriminator, Generator, both_layers
from benchmark.methods.method import Batch, Draw, adam, gradient_norm
from benchmark.methods.settings import Beta, MethodSettings, Prior, Width
from benchmark.methods.wgan import CRITIC, CriticFirst

_COLUMNS = {
    "wasserstein": Column(
        "critic_real - critic_fake, the estimate of the distance", CRITIC, "lower", "WGAN-GP, 2"
    ),
    "critic_real": Column("mean of the critic over real images", CRITIC),
    "critic_fake": Column("mean of the critic over fakes", CRITIC),
    "penalty": Column("(|gradient| - 1)^2, without its weight", "", "lower", "WGAN-GP, equation 3"),
    "loss_d": Column("critic_fake - critic_real + weighted penalty", CRITIC, "", "WGAN-GP, 3"),
    "loss_g": Column("-critic_fake, at the generator's last update; repeated between two", CRITIC),
    "grad_norm_d": Column("L2 norm of the gradient over the critic's weights"),
    "grad_norm_g": Column("of the generator's, at its last update; repeated between two"),
}
LayerNorm = partial(nn.GroupNorm, 1)  # over an image's whole map


class WganGpSettings(MethodSettings):
    """WGAN-GP (arXiv 1704.00028). A step is one critic update; G is updated every `critic` ones."""

    name: Literal["wgan_gp"]
    n: Width = 64
    """Channels of the discriminator's first convolution; they double as the maps halve."""
    z: Width = 128
    """Dimensions of the generator's input."""
    critic: Annotated[int, Field(ge=1, le=100)] = 5
    """Critic updates, and hence steps, per generator update."""
    penalty: Annotated[float, Field(ge=0)] = 10.0
    """Weight of the gradient penalty."""
    prior: Prior = "normal"
    beta_1: Beta = 0.0
    beta_2: Beta = 0.9


class WGANGP(CriticFirst):
    """Critic and generator, Algorithm 1: WGAN's, with the penalty in place of clipped weights."""

    Settings = WganGpSettings
    columns = _COLUMNS

    def __init__(self, settings: WganGpSettings, size: int) -> None:
        super().__init__()
        self.settings = settings
        self.critic = Discriminator(size, settings.n, LayerNorm)
        self.generator = Generator(size, settings.n, settings.z)
        betas = (settings.beta_1, settings.beta_2)
        self.optimizers = {
            "critic": adam(self.critic, betas),
            "generator": adam(self.generator, betas),
        }

    def generator_updates(self, critic_updates: int) -> int:
        every: int = self.settings.critic
        return critic_updates // every

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
        d, g = both_layers(size, settings.n, settings.z)
        # Three passes, one of them differentiated twice; G's update in every `critic`-th step.
        passes = (12 + 2 / settings.critic, 1 + 3 / settings.critic)
        return work(d, g, passes, STRIDED_RATE)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """One critic update on x, and one of the generator after every `critic`-th.

        Between two of those, `loss_g` and `grad_norm_g` are repeated.
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
        self.follow(len(x), draw, critic_fake)

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
