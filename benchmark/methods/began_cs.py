"""BEGAN-CS: Chang et al., "Escaping from Collapsing Modes in a Constrained Space" (ECCV 2018).

BEGAN whose encoder must also find the code that a fake was made from, so that the auto-encoder's
code space keeps the shape of the prior's:

    L_D = L(x) - k_t L(G(z_D)) + alpha |z_D - Enc(G(z_D))|
    L_G = L(G(z_G))

with k_t and M_global as in BEGAN. The constraint is the mean over code dimensions and images, and
alpha is 0.1. Written from memory of the paper, checked against a public port; that port draws one
z for both players, while here they are separate, as in BEGAN.
"""

from torch import Tensor

from benchmark.methods.began import BEGAN, Judged, Terms
from benchmark.methods.settings import BeganCsSettings, BeganSettings


class ConstrainedBEGAN(BEGAN):
    """BEGAN with h = z and the constraint in L_D; what its settings lack is BEGAN's default."""

    train_columns = BeganCsSettings.train_columns
    watch_columns = BeganCsSettings.watch_columns
    signal = BeganCsSettings.signal
    capturable = True

    def __init__(self, settings: BeganCsSettings, size: int) -> None:
        shared = settings.model_dump(exclude={"name", "alpha"})
        super().__init__(BeganSettings(name="began", z=settings.h, **shared), size)
        self.alpha = settings.alpha

    def terms(self, real: Judged, fake: Judged, z: Tensor) -> Terms:
        """alpha |z - Enc(G(z))|. The fakes carry no gradient, so it trains the encoder alone."""
        return {"constraint": (self.alpha, (z - fake.code).abs().mean())}
