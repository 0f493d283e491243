"""WGAN: Wasserstein GAN (arXiv 1701.07875).

The critic f maximises, and the generator minimises (equations 2 and 3),

    E f(x) - E f(G(z)),

which estimates the Wasserstein distance, up to a factor, as long as f is Lipschitz: so its weights
are clipped to [-c, c]. The paper shows the estimate falling as the samples get better (section 4).

A step is one pass of Algorithm 1's inner loop, a critic update on x; the generator is updated with
codes of its own after every `critic`-th. RMSprop for both, as momentum made training unstable.

From the authors' code, where the paper says nothing: the critic is brought near its optimum by
`long_critic` updates before each of the generator's first `warm_up` updates and before every
`long_every`-th; it is clipped before its update, where Algorithm 1 clips after it (`clip_when`);
and every weight is clipped, so batch norm gains shrink from 1 to c. The networks are this package's
DCGAN, which has biases at both ends that the authors' code omits.
"""

from abc import abstractmethod
from bisect import bisect_right
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.column import Column
from benchmark.methods.cost import STRIDED_RATE, Work, work
from benchmark.methods.dcgan import Discriminator, Generator, both_layers
from benchmark.methods.method import Batch, Counting, Draw, FromPrior, gradient_norm
from benchmark.methods.settings import MethodSettings, Prior, Width

CRITIC = "the critic's own, without a scale"
_COLUMNS = {
    "wasserstein": Column(
        "critic_real - critic_fake, the estimate of the distance", CRITIC, "lower", "WGAN, 4"
    ),
    "critic_real": Column("mean of the critic over real images", CRITIC),
    "critic_fake": Column("mean of the critic over fakes", CRITIC),
    "loss_d": Column("critic_fake - critic_real", CRITIC, "", "WGAN, equation 2"),
    "loss_g": Column("-critic_fake, at the generator's last update; repeated between two", CRITIC),
    "grad_norm_d": Column("L2 norm of the gradient over the critic's weights"),
    "grad_norm_g": Column("of the generator's, at its last update; repeated between two"),
}


class WganSettings(MethodSettings):
    """WGAN (arXiv 1701.07875). A step is one critic update; G is updated every `critic` ones."""

    name: Literal["wgan"]
    n: Width = 64
    """Channels of the critic's first convolution; they double as the maps halve."""
    z: Width = 100
    """Dimensions of the generator's input."""
    critic: Annotated[int, Field(ge=1, le=1000)] = 5
    """Critic updates, and hence steps, per generator update."""
    long_critic: Annotated[int, Field(ge=1, le=1000)] = 100
    """The same for the generator's first `warm_up` updates, and for every `long_every`-th."""
    warm_up: Annotated[int, Field(ge=0)] = 25
    """Number of initial generator updates that each follow `long_critic` critic updates."""
    long_every: Annotated[int, Field(ge=1)] = 500
    """Generator updates 0, `long_every`, 2 `long_every`, ... also follow `long_critic` critic
    updates."""
    clip: Annotated[float, Field(gt=0)] = 0.01
    """The critic's weights are clipped to [-clip, clip]."""
    clip_when: Literal["before", "after"] = "before"
    """Before each of the critic's updates, as the authors' code, or after it, as Algorithm 1: in
    which case the generator always sees a fully clipped critic."""
    prior: Prior = "normal"  # as in the authors' code


class CriticFirst(FromPrior, Counting):
    """What WGAN and WGAN-GP share: a generator that moves after some of the critic's updates only.

    What a row repeats between two of the generator's updates is in buffers.
    """

    heldout = ("wasserstein", "critic_real", "critic_fake")
    signal = "wasserstein"

    critic: nn.Module
    loss_g: Tensor
    grad_norm_g: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("loss_g", torch.zeros(()))
        self.register_buffer("grad_norm_g", torch.zeros(()))

    @abstractmethod
    def generator_updates(self, critic_updates: int) -> int:
        """The number of generator updates after a given number of critic updates."""

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """The critic's means over real images and fakes, and their difference."""
        fake = self.generate(self.latent(len(batch.images), draw, "z_heldout"))
        critic_real, critic_fake = self.critic(batch.images).mean(), self.critic(fake).mean()
        return {
            "wasserstein": critic_real - critic_fake,
            "critic_real": critic_real,
            "critic_fake": critic_fake,
        }

    def follow(self, count: int, draw: Draw, critic_fake: Tensor) -> None:
        """After a critic update: the generator's update, on `count` codes, if it is due.

        Before the first, G has not moved: its gradient counts as 0, and its loss is computed from
        the critic's fakes.
        """
        before = self.generator_updates(self._updates)
        self._updates += 1
        now = self.generator_updates(self._updates)
        if now > before:
            self._update_generator(count, draw)
        elif now == 0:
            self.loss_g.copy_(-critic_fake.detach())

    def _update_generator(self, count: int, draw: Draw) -> None:
        self.optimizers["generator"].zero_grad(set_to_none=True)
        loss = -self.critic(self.generate(self.latent(count, draw, "z_G"))).mean()
        # Backpropagate through the critic without touching its weights' gradients.
        loss.backward(inputs=list(self.generator.parameters()))
        self.loss_g.copy_(loss.detach())
        self.grad_norm_g.copy_(gradient_norm(self.generator))
        self.optimizers["generator"].step()


class WGAN(CriticFirst):
    """Critic and generator, Algorithm 1."""

    Settings = WganSettings
    columns = _COLUMNS

    def __init__(self, settings: WganSettings, size: int) -> None:
        super().__init__()
        self.settings = settings
        self.critic = Discriminator(size, settings.n)
        self.generator = Generator(size, settings.n, settings.z)
        self.optimizers = {
            "critic": _rmsprop(self.critic),
            "generator": _rmsprop(self.generator),
        }

    def generator_updates(self, critic_updates: int) -> int:
        # Upper bound for the search: each generator update needs at least one critic update.
        possible = range(critic_updates + 1)
        return bisect_right(possible, critic_updates, key=self._critic_updates) - 1

    def _critic_updates(self, generator_updates: int) -> int:
        """Critic updates needed for this many generator updates."""
        long, every = min(self.settings.warm_up, generator_updates), self.settings.long_every
        # After the warm-up, the multiples of `every`; those below k are ceil(k / every).
        often = long + -(-generator_updates // every) - -(-long // every)
        short = self.settings.critic * (generator_updates - often)
        updates: int = short + self.settings.long_critic * often
        return updates

    @classmethod
    def cost(cls, settings: WganSettings, size: int) -> Work:
        d, g = both_layers(size, settings.n, settings.z)
        # Two full passes; G's update counts at its frequency after the warm-up.
        each = settings.critic + (settings.long_critic - settings.critic) / settings.long_every
        return work(d, g, (6 + 2 / each, 1 + 3 / each), STRIDED_RATE)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """One critic update on x, and a generator update if it is due.

        Between two of those, `loss_g` and `grad_norm_g` are repeated.
        """
        x = batch.images
        if self.settings.clip_when == "before":
            self._clip()
        self.optimizers["critic"].zero_grad(set_to_none=True)
        with torch.no_grad():
            fake = self.generate(self.latent(len(x), draw, "z_D"))
        critic_real, critic_fake = self.critic(x).mean(), self.critic(fake).mean()
        loss_d = critic_fake - critic_real
        loss_d.backward()
        self.optimizers["critic"].step()
        if self.settings.clip_when == "after":
            self._clip()
        self.follow(len(x), draw, critic_fake)

        return {
            "wasserstein": -loss_d.detach(),
            "critic_real": critic_real.detach(),
            "critic_fake": critic_fake.detach(),
            "loss_d": loss_d.detach(),
            "loss_g": self.loss_g.clone(),
            "grad_norm_d": gradient_norm(self.critic),
            "grad_norm_g": self.grad_norm_g.clone(),
        }

    @torch.no_grad()
    def _clip(self) -> None:
        for weight in self.critic.parameters():
            weight.clamp_(-self.settings.clip, self.settings.clip)


def _rmsprop(player: nn.Module) -> torch.optim.RMSprop:
    """torch's RMSprop, as in the authors' code; the training loop sets the learning rate (5e-5 in
    the paper)."""
    return torch.optim.RMSprop(player.parameters(), lr=5e-5, foreach=True)
