"""What the `method` block of an ablation file may say. No torch here."""

from typing import Annotated, Literal

from pydantic import Field

from benchmark.strict import Strict

Width = Annotated[int, Field(ge=1, le=4096)]


class BeganSettings(Strict):
    """BEGAN (arXiv 1703.10717); the defaults are the paper's."""

    name: Literal["began"]
    # Channels of the first convolution; the encoder grows n, 2n, 3n, ...
    n: Width = 64
    # Dimensions of the auto-encoder's code (N_h) and of the generator's input (N_z).
    h: Width = 64
    z: Width = 64
    # Diversity ratio, equation 4: E[L(G(z))] = gamma E[L(x)] at equilibrium.
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.5
    # The norm of the energy |v - D(v)|^eta; the paper does not say which one it used.
    eta: Literal[1, 2] = 1
    # Gain of the equilibrium's integral control, equation 5.
    lambda_k: Annotated[float, Field(ge=0, le=1)] = 0.001


# One method today; the union grows with the methods.
MethodSettings = BeganSettings
