"""What the `method` block of an ablation file may say, and what each method logs. No torch here.

The defaults are the papers'; a setting marked "departure" is what a public port does instead.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, Tag

from benchmark.strict import BY_NAME, Strict

Width = Annotated[int, Field(ge=1, le=4096)]
# Of Adam: how slowly its mean of the gradients (beta_1) or of their squares (beta_2) forgets.
Rate = Annotated[float, Field(ge=0, lt=1)]
# What codes are drawn from: uniform in [-1, 1], or standard normal.
Prior = Literal["uniform", "normal"]

GRADIENTS = ("grad_norm_d", "grad_norm_g")


class _Columns(Strict):
    """What a method logs: known without torch, so that claims can be checked before training."""

    # Columns of a training row, means over the steps since the last one.
    train_columns: ClassVar[tuple[str, ...]]
    # Columns that `Method.watch` gives for fixed images and codes; logged as `heldout_<column>`.
    watch_columns: ClassVar[tuple[str, ...]]
    # The method's own measure of convergence, among both; lower is taken for better.
    signal: ClassVar[str]


class BeganSettings(_Columns):
    """BEGAN (arXiv 1703.10717), and its denoising and variational kin."""

    watch_columns = ("l_real", "l_fake", "m_global", "balance", "ratio")
    train_columns = (
        *("l_real", "l_fake", "l_fake_d", "k", "m_global", "balance", "ratio"),
        *GRADIENTS,
    )
    signal = "m_global"

    name: Literal["began"]
    # Figure 1 to the letter, or the author's earlier layers, whose count is the paper's 17.3 M.
    design: Literal["figure_1", "author"] = "figure_1"
    # Channels of the first convolution; the encoder grows n, 2n, 3n, ...
    n: Width = 64
    # Dimensions of the auto-encoder's code, N_h.
    h: Width = 64
    # Dimensions of the generator's input, N_z.
    z: Width = 64
    # Section 3.5.1: h_0 upsampled and concatenated after every upsampling.
    skips: bool = False
    # Section 3.5.1: vanishing residuals, whose carry falls from 1 to 0 in so many steps (16,000 in
    # the paper); 0 is none.
    carry_steps: Annotated[int, Field(ge=0)] = 0
    # Departure: batch normalisation after every convolution but the last.
    batch_norm: bool = False
    # Departure: a tanh after the last convolution of decoder and generator.
    output: Literal["linear", "tanh"] = "linear"
    # Diversity ratio, equation 4: E[L(G(z))] = gamma E[L(x)] at equilibrium.
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.5
    # The norm of the energy |v - D(v)|^eta; the paper does not say which one it used.
    eta: Literal[1, 2] = 1
    # Gain of the equilibrium's integral control, equation 5; 0 keeps k where it begins.
    lambda_k: Annotated[float, Field(ge=0, le=1)] = 0.001
    # The balance k before the first step.
    k_0: Annotated[float, Field(ge=0, le=1)] = 0.0
    # Departure: k not clipped to [0, 1].
    k_clip: bool = True
    # Departure: k from the loss of the discriminator's fakes, L(G(z_D)).
    k_from: Literal["generator", "discriminator"] = "generator"
    # Departure: one draw of z for both players, and so one pass over the fakes.
    shared_z: bool = False
    prior: Prior = "uniform"
    # Departure: the generator's update sees the discriminator already updated.
    updates: Literal["simultaneous", "alternating"] = "simultaneous"
    # Departure (a fault of a public port): L_G's gradient is added to the discriminator's.
    leak: bool = False
    # Denoising auto-encoder: sd of the normal noise added to D's input (not to its target).
    noise_sd: Annotated[float, Field(ge=0, le=2)] = 0.0
    # Variational auto-encoder: weight of KL(q(code | x) || N(0, 1)) a code dimension in L_D.
    kl_weight: Annotated[float, Field(ge=0, le=100)] = 0.0
    # Adam's defaults, section 4.1.
    beta_1: Rate = 0.9
    beta_2: Rate = 0.999


class BeganCsSettings(_Columns):
    """BEGAN-CS (Chang et al., ECCV 2018): BEGAN whose encoder must find the code of a fake."""

    watch_columns = (*BeganSettings.watch_columns, "constraint")
    train_columns = (*BeganSettings.train_columns, "constraint")
    signal = "m_global"

    name: Literal["began_cs"]
    # Channels of the first convolution; the encoder grows n, 2n, 3n, ...
    n: Width = 64
    # Dimensions of the code and of z, the same here: the encoder's code is compared with z.
    h: Width = 64
    # BEGAN's diversity ratio.
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.5
    # Gain of BEGAN's equilibrium.
    lambda_k: Annotated[float, Field(ge=0, le=1)] = 0.001
    # Weight of the constraint |z_D - Enc(G(z_D))| in L_D.
    alpha: Annotated[float, Field(ge=0, le=100)] = 0.1
    beta_1: Rate = 0.9
    beta_2: Rate = 0.999


class EbganSettings(_Columns):
    """EBGAN (arXiv 1609.03126); with a pulling-away weight it is EBGAN-PT."""

    watch_columns = ("energy_real", "energy_fake", "loss_d")
    train_columns = (
        *("energy_real", "energy_fake", "loss_d", "loss_g", "hinge", "pulling_away"),
        *GRADIENTS,
    )
    signal = "loss_d"

    name: Literal["ebgan"]
    # Channels of the first convolution of 64 px networks: (64)-(128)-(256).
    n: Width = 64
    # Dimensions of the generator's input.
    z: Width = 100
    # The margin m at 64 px. The L2 norm of an error grows with the square root of the pixels, so
    # the method uses m * size / 64: the same error a pixel closes the hinge at every resolution.
    margin: Annotated[float, Field(gt=0)] = 20.0
    # Weight of the pulling-away term in L_G; the paper's EBGAN-PT has 0.1.
    pulling_away: Annotated[float, Field(ge=0, le=100)] = 0.0
    # ||D(x) - x|| a sample, as in the paper. Departures: its mean square a pixel under the same,
    # unscaled margin (the hinge never closes), or one norm over the whole batch.
    energy: Literal["l2", "pixel_mean", "batch_l2"] = "l2"
    # Departure: L_D without max(0, .), so that the discriminator gains without end.
    hinge: bool = True
    # Departures: cosine similarities not squared; taken between images instead of codes; between
    # the code's dimensions instead of the batch's samples.
    pulling_away_form: Literal["squared", "unsquared", "pixels", "dimensions"] = "squared"
    # Departure: one draw of z for both players.
    shared_z: bool = False
    prior: Prior = "normal"
    beta_1: Rate = 0.5
    beta_2: Rate = 0.999


class DcganSettings(_Columns):
    """DCGAN (arXiv 1511.06434) with the non-saturating loss."""

    watch_columns = ("loss_d", "loss_g", "d_real", "d_fake")
    train_columns = ("loss_d", "loss_g", "d_real", "d_fake", *GRADIENTS)
    signal = "loss_g"

    name: Literal["dcgan"]
    # Channels of the discriminator's first convolution; they double as the maps halve.
    n: Width = 64
    # Dimensions of the generator's input.
    z: Width = 100
    prior: Prior = "uniform"
    beta_1: Rate = 0.5
    beta_2: Rate = 0.999


class WganGpSettings(_Columns):
    """WGAN-GP (arXiv 1704.00028). A step is one critic update; G is updated every `critic` ones."""

    watch_columns = ("wasserstein", "critic_real", "critic_fake")
    train_columns = (
        *("wasserstein", "critic_real", "critic_fake", "penalty", "loss_d", "loss_g"),
        *GRADIENTS,
    )
    signal = "wasserstein"

    name: Literal["wgan_gp"]
    # Channels of the discriminator's first convolution; they double as the maps halve.
    n: Width = 64
    # Dimensions of the generator's input.
    z: Width = 128
    # Critic updates, and so steps, for one update of the generator.
    critic: Annotated[int, Field(ge=1, le=100)] = 5
    # Weight of the gradient penalty.
    penalty: Annotated[float, Field(ge=0)] = 10.0
    prior: Prior = "normal"
    beta_1: Rate = 0.0
    beta_2: Rate = 0.9


class ExternalSettings(Strict):
    """A method from outside the package: `name` is the import path of its class.

    The class has `train_columns`, `watch_columns` and `signal` of its own (see methods/method.py)
    and reads `options`.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    # Handed to the class as they are.
    options: dict[str, bool | int | float | str] = {}  # noqa: RUF012 - pydantic copies defaults


MethodSettings = Annotated[
    Annotated[BeganSettings, Tag("began")]
    | Annotated[BeganCsSettings, Tag("began_cs")]
    | Annotated[EbganSettings, Tag("ebgan")]
    | Annotated[DcganSettings, Tag("dcgan")]
    | Annotated[WganGpSettings, Tag("wgan_gp")]
    | Annotated[ExternalSettings, Tag("external")],
    BY_NAME,
]
