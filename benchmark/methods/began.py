"""BEGAN: Boundary Equilibrium Generative Adversarial Networks (arXiv 1703.10717v4).

The discriminator is an auto-encoder. Its energy is its reconstruction error (section 3.1),

    L(v) = |v - D(v)|^eta,

taken as the mean over pixels and images. The objective (section 3.4, equation 5):

    L_D = L(x) - k_t L(G(z_D))
    L_G = L(G(z_G))
    k_{t+1} = clip(k_t + lambda_k (gamma L(x) - L(G(z_G))), 0, 1),    k_0 = 0

and the measure of convergence (section 3.4.1):

    M_global = L(x) + |gamma L(x) - L(G(z_G))|.

Two variants that are not in the paper: a denoising discriminator reconstructs v from v + noise; a
variational one reconstructs v from a code drawn from N(mean(v), variance(v)), and adds a KL term to
L_D.
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from benchmark.column import Column
from benchmark.methods.began_networks import AutoEncoder, Decoder, initialise_as_author
from benchmark.methods.cost import RATE, Work, layers, two_players, work
from benchmark.methods.method import GRADIENTS, Batch, Draw, FromPrior, gradient_norm, players
from benchmark.methods.settings import Beta, MethodSettings, Prior, Width

_PIXEL = "of [-1, 1]; its square where eta is 2"
_COLUMNS = {
    "l_real": Column(
        "L(x): the discriminator's error in rebuilding real images", _PIXEL, "", "BEGAN, equation 1"
    ),
    "l_fake": Column(
        "L(G(z)): its error in rebuilding the generator's fakes", _PIXEL, "", "BEGAN, section 3.4"
    ),
    "l_fake_d": Column(
        "the same of the fakes drawn for the discriminator", _PIXEL, "", "BEGAN, section 3.4"
    ),
    "k": Column(
        "weight of the fakes in L_D; at 0 or 1 for good, the balance is lost",
        source="BEGAN, section 3.4",
    ),
    "m_global": Column(
        "L(x) + |gamma L(x) - L(G(z))|, the convergence measure", _PIXEL, "lower", "BEGAN, 3.4.1"
    ),
    "balance": Column(
        "|gamma L(x) - L(G(z))|, how far from equilibrium", _PIXEL, "lower", "BEGAN, section 3.4.1"
    ),
    "ratio": Column("L(G(z)) / L(x), which the balance holds at gamma", source="BEGAN, equation 4"),
    **GRADIENTS,
}


class BeganSettings(MethodSettings):
    """BEGAN (arXiv 1703.10717), and its denoising and variational variants."""

    name: Literal["began"]
    design: Literal["figure_1", "author"] = "figure_1"
    """Figure 1 to the letter, or the author's earlier layers, whose parameter count, with skips,
    matches the paper's 17.3 M."""
    n: Width = 64
    """Channels of the first convolution; the encoder grows n, 2n, 3n, ..."""
    h: Width = 64
    """Dimensions of the auto-encoder's code, N_h."""
    z: Width = 64
    """Dimensions of the generator's input, N_z."""
    skips: bool = False
    """Section 3.5.1: h_0 upsampled and concatenated after every upsampling."""
    carry_steps: Annotated[int, Field(ge=0)] = 0
    """Section 3.5.1: vanishing residuals, whose carry falls from 1 to 0 over this many steps
    (16,000 in the paper); 0 is none."""
    batch_norm: bool = False
    """Departure: batch normalisation after every convolution but the last."""
    output: Literal["linear", "tanh"] = "linear"
    """Departure: a tanh after the last convolution of decoder and generator."""
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Diversity ratio, equation 4: E[L(G(z))] = gamma E[L(x)] at equilibrium."""
    eta: Literal[1, 2] = 1
    """The norm of the energy |v - D(v)|^eta; the paper does not say which one it used."""
    lambda_k: Annotated[float, Field(ge=0, le=1)] = 0.001
    """Gain of the equilibrium's integral control, equation 5; 0 keeps k at its initial value."""
    k_0: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The balance k before the first step."""
    k_clip: bool = True
    """Departure: k not clipped to [0, 1]."""
    k_from: Literal["generator", "discriminator"] = "generator"
    """Departure: k is updated from the loss on the discriminator's fakes, L(G(z_D))."""
    shared_z: bool = False
    """Departure: one draw of z for both players, and hence one pass over the fakes."""
    prior: Prior = "uniform"  # section 3.5
    updates: Literal["simultaneous", "alternating"] = "simultaneous"
    """Departure: the generator's update sees the discriminator already updated."""
    leak: bool = False
    """Departure (a fault of a public port): L_G's gradient is added to the discriminator's."""
    noise_sd: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Denoising auto-encoder: sd of the normal noise added to D's input (not to its target)."""
    kl_weight: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Variational auto-encoder: weight of KL(q(code | x) || N(0, 1)) per code dimension in L_D."""
    # Adam's defaults, section 4.1.
    beta_1: Beta = 0.9
    beta_2: Beta = 0.999


class Reconstruction(NamedTuple):
    """The result of one discriminator pass over v (N, 3, S, S)."""

    energy: Tensor  # L(v), a scalar
    code: Tensor  # (N, h); a variational encoder's mean
    log_variance: Tensor | None  # (N, h), of a variational encoder


# Terms added to equation 5's L_D, by name: weight and value.
Terms = dict[str, tuple[float, Tensor]]


class BEGAN(FromPrior):
    """Both players and their balance. G has the decoder's architecture but its own weights."""

    Settings: ClassVar[type[MethodSettings]] = BeganSettings
    columns = _COLUMNS
    heldout: ClassVar[tuple[str, ...]] = ("l_real", "l_fake", "m_global", "balance", "ratio")
    signal = "m_global"
    sampled_by = ("generator", "updates_done")
    capturable = True

    settings: BeganSettings
    k: Tensor
    updates_done: Tensor

    def __init__(self, settings: BeganSettings, size: int) -> None:
        super().__init__()
        self.settings = settings
        self.discriminator = AutoEncoder(settings, size)
        self.generator = Decoder(settings, size, settings.z)
        if settings.design == "author":
            initialise_as_author(self)
        self.register_buffer("k", torch.tensor(settings.k_0))
        if settings.carry_steps:
            self.register_buffer("updates_done", torch.zeros(()))
        # Section 4.1: Adam with its default hyper-parameters; the loop sets the learning rate.
        self.optimizers = players(settings, self.discriminator, self.generator)

    def carry(self) -> Tensor | None:
        """Carry of the vanishing residuals, section 3.5.1: linear from 1 to 0; None without
        them."""
        if not self.settings.carry_steps:
            return None
        return (1 - self.updates_done / self.settings.carry_steps).clamp(min=0)

    def reconstruct(self, v: Tensor, draw: Draw | None = None, use: str = "") -> Reconstruction:
        """One pass over v (N, 3, S, S). Without `draw`, no noise is added and the code is its
        mean."""
        noise_sd, carry = self.settings.noise_sd, self.carry()
        seen = v
        if draw is not None and noise_sd > 0:
            seen = v + noise_sd * draw.normal(f"noise_{use}", *v.shape)
        mean, log_variance = self.discriminator.encoder(seen, carry), None
        if self.settings.kl_weight > 0:
            mean, log_variance = mean.chunk(2, dim=1)
        code = mean
        if draw is not None and log_variance is not None:
            code = mean + (log_variance / 2).exp() * draw.normal(f"code_{use}", *mean.shape)
        error = (v - self.discriminator.decoder(code, carry)).abs()
        energy = (error if self.settings.eta == 1 else error.square()).mean()
        return Reconstruction(energy, mean, log_variance)

    def terms(self, real: Reconstruction, fake: Reconstruction, z: Tensor) -> Terms:
        """The terms that L_D adds to equation 5, given passes over x and over G(z), z (N, Z)."""
        if real.log_variance is None:
            return {}
        mean, log_variance = real.code, real.log_variance
        kl = (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
        return {"kl": (self.settings.kl_weight, kl)}

    def generate(self, z: Tensor) -> Tensor:
        images: Tensor = self.generator(z, self.carry())
        return images

    @classmethod
    def cost(cls, settings: BeganSettings, size: int) -> Work:
        judge, generator = AutoEncoder(settings, size), Decoder(settings, size, settings.z)
        d = layers(judge.encoder, torch.empty(1, 3, size, size))
        d += layers(judge.decoder, torch.empty(1, settings.h))
        g = layers(generator, torch.empty(1, settings.z))
        return work(d, g, two_players(shared_z=settings.shared_z), RATE)

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """Equation 5: both gradients at the same weights, then both steps, unless alternating."""
        self.zero_grad()

        one_pass = self.settings.shared_z and not self._alternating
        back = self._backward_one_pass if one_pass else self._backward_textbook
        real, fake_d, fake, terms = back(batch.images, draw)
        norms = {
            "grad_norm_d": gradient_norm(self.discriminator),
            "grad_norm_g": gradient_norm(self.generator),
        }
        if not self._alternating:
            self.optimizers["discriminator"].step()
        self.optimizers["generator"].step()

        with torch.no_grad():
            values = {
                **self._measures(real, fake),
                "l_fake_d": fake_d.energy.detach(),
                "k": self.k.clone(),
                **{name: value.detach() for name, (_, value) in terms.items()},
                **norms,
            }
            self._balance(values)
            if self.settings.carry_steps:
                self.updates_done.add_(1)
        return {name: values[name] for name in self.columns}

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        """L(x), L(G(z)) and M_global on fixed images and codes."""
        z = self.latent(len(batch.images), draw, "z_heldout")
        real, fake = self.reconstruct(batch.images), self.reconstruct(self.generate(z))
        terms = self.terms(real, fake, z)
        values = {
            **self._measures(real, fake),
            **{name: value for name, (_, value) in terms.items()},
        }
        return {name: values[name] for name in self.heldout}

    @property
    def _alternating(self) -> bool:
        return self.settings.updates == "alternating"

    def _backward_textbook(
        self, x: Tensor, draw: Draw
    ) -> tuple[Reconstruction, Reconstruction, Reconstruction, Terms]:
        """Gradients of L_D, and D's step when alternating; then those of L_G from a separate pass.

        Returns the passes over x, G(z_D) and G(z_G), and the extra terms of L_D.
        """
        shared, leak = self.settings.shared_z, self.settings.leak
        z_d = self.latent(len(x), draw, "z" if shared else "z_D")
        z_g = z_d if shared else self.latent(len(x), draw, "z_G")

        with torch.set_grad_enabled(shared):
            images_d = self.generate(z_d)
        real, fake_d = (
            self.reconstruct(x, draw, "real"),
            self.reconstruct(images_d.detach(), draw, "fake_d"),
        )
        terms = self.terms(real, fake_d, z_d)
        loss_d = real.energy - self.k * fake_d.energy
        for weight, value in terms.values():
            loss_d = loss_d + weight * value
        if leak and self._alternating:  # D steps before G's pass, so the leak needs its own
            with torch.no_grad():
                images_g = self.generate(z_g)
            loss_d = loss_d + self.reconstruct(images_g, draw, "fake").energy
        loss_d.backward()  # type: ignore[no-untyped-call]
        if self._alternating:
            self.optimizers["discriminator"].step()

        # L_G's gradient passes through D to the generator but must not reach D's weights.
        self.discriminator.requires_grad_(leak and not self._alternating)
        fake = self.reconstruct(images_d if shared else self.generate(z_g), draw, "fake")
        fake.energy.backward()  # type: ignore[no-untyped-call]
        self.discriminator.requires_grad_(True)
        return real, fake_d, fake, terms

    def _backward_one_pass(
        self, x: Tensor, draw: Draw
    ) -> tuple[Reconstruction, Reconstruction, Reconstruction, Terms]:
        """Both players' gradients when they share z, by one pass of D over the fakes: exact.

        One backward pass gives d L(G(z)) for D's and for G's weights alike. L_G uses it unchanged,
        L_D uses -k times it, and a second backward pass adds the real images' gradient.
        """
        z = self.latent(len(x), draw, "z")
        fake = self.reconstruct(self.generate(z), draw, "fake")
        fake.energy.backward()  # type: ignore[no-untyped-call]
        share = float(self.settings.leak) - self.k
        for parameter in self.discriminator.parameters():
            assert parameter.grad is not None
            parameter.grad.mul_(share)

        real = self.reconstruct(x, draw, "real")
        terms = self.terms(real, fake, z)
        loss_d = real.energy
        for weight, value in terms.values():
            loss_d = loss_d + weight * value
        loss_d.backward()  # type: ignore[no-untyped-call]
        return real, fake, fake, terms

    def _measures(self, real: Reconstruction, fake: Reconstruction) -> dict[str, Tensor]:
        """Section 3.4.1, over reconstruction errors alone."""
        l_real, l_fake = real.energy.detach(), fake.energy.detach()
        balance = (self.settings.gamma * l_real - l_fake).abs()
        return {
            "l_real": l_real,
            "l_fake": l_fake,
            "m_global": l_real + balance,
            "balance": balance,
            "ratio": l_fake / l_real,
        }

    def _balance(self, values: dict[str, Tensor]) -> None:
        """k_{t+1} of equation 5."""
        settings = self.settings
        l_fake = values["l_fake" if settings.k_from == "generator" else "l_fake_d"]
        self.k.add_(settings.lambda_k * (settings.gamma * values["l_real"] - l_fake))
        if settings.k_clip:
            self.k.clamp_(0, 1)
