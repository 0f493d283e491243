"""BEGAN-CS: Chang et al., "Escaping from Collapsing Modes in a Constrained Space" (ECCV 2018).

BEGAN whose encoder must also recover the code that a fake was generated from, so that the
auto-encoder's code space keeps the shape of the prior:

    L_D = L(x) - k_t L(G(z_D)) + alpha |z_D - Enc(G(z_D))|
    L_G = L(G(z_G))

with k_t and M_global as in BEGAN. The constraint is the mean over code dimensions and images, and
alpha is 0.1. Written from memory of the paper, checked against its authors' code. That code draws
one z for both players, updates them in turn, and has another energy, one norm over a whole batch
divided by its size. That is some 17 times ours at 32 px and batch 16 (an error of 0.2 a pixel), so
that the same alpha weighs the constraint that much more here; 0.006 would weigh it alike.
"""

from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor

from benchmark.column import Column
from benchmark.methods.began import BEGAN, BeganSettings, Reconstruction, Terms
from benchmark.methods.cost import Work
from benchmark.methods.settings import Beta, MethodSettings, Width


class BeganCsSettings(MethodSettings):
    """BEGAN-CS (Chang et al., ECCV 2018): BEGAN whose encoder must recover the code of a fake."""

    name: Literal["began_cs"]
    n: Width = 64
    """Channels of the first convolution; the encoder grows n, 2n, 3n, ..."""
    h: Width = 64
    """Dimensions of the code and of z, the same here: the encoder's code is compared with z."""
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.5
    """BEGAN's diversity ratio."""
    lambda_k: Annotated[float, Field(ge=0, le=1)] = 0.001
    """Gain of BEGAN's equilibrium."""
    alpha: Annotated[float, Field(ge=0, le=100)] = 0.1
    """Weight of the constraint |z_D - Enc(G(z_D))| in L_D."""
    beta_1: Beta = 0.9
    beta_2: Beta = 0.999


_COLUMNS = {
    **BEGAN.columns,
    "constraint": Column(
        "|z - Enc(G(z))| a code dimension, without its weight alpha",
        unit="of the prior's [-1, 1]",
        better="lower",
        source="Chang et al. 2018",
    ),
}


class ConstrainedBEGAN(BEGAN):
    """BEGAN with h = z and the constraint in L_D; all other settings are BEGAN's defaults."""

    Settings = BeganCsSettings
    columns = _COLUMNS
    heldout = (*BEGAN.heldout, "constraint")
    capturable = True

    def __init__(self, settings: BeganCsSettings, size: int) -> None:
        super().__init__(_of_began(settings), size)
        self.alpha = settings.alpha

    @classmethod
    def cost(cls, settings: Any, size: int) -> Work:
        return super().cost(_of_began(settings), size)

    def terms(self, real: Reconstruction, fake: Reconstruction, z: Tensor) -> Terms:
        """alpha |z - Enc(G(z))|. The fakes carry no gradient, so it trains the encoder alone."""
        return {"constraint": (self.alpha, (z - fake.code).abs().mean())}


def _of_began(settings: BeganCsSettings) -> BeganSettings:
    """The settings of the underlying BEGAN."""
    shared = settings.model_dump(exclude={"name", "alpha"})
    return BeganSettings(name="began", z=settings.h, **shared)
