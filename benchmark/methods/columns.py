"""What each method logs: the meaning of its `train_columns` and `watch_columns`.

Training values are means over the steps since the last row; watched ones are over fixed held-out
images and codes. Lower is taken for better of a method's signal, by its paper; of the rest of a
game between two players, neither way is better.
"""

from benchmark.column import Column

PIXEL = "of [-1, 1]; its square where eta is 2"
NATS = "nats"
CRITIC = "the critic's own, without a scale"
NORM = "image range [-1, 1], L2 over an image at the run's resolution"

LEARNING_RATE = Column("Adam's learning rate in force", source="training.lr_decay")
_GRADIENTS = {
    "grad_norm_d": Column("L2 norm of the gradient over the discriminator's weights"),
    "grad_norm_g": Column("L2 norm of the gradient over the generator's weights"),
}
_BEGAN = {
    "l_real": Column(
        "L(x): the discriminator's error in rebuilding real images", PIXEL, "", "BEGAN, equation 1"
    ),
    "l_fake": Column(
        "L(G(z)): its error in rebuilding the generator's fakes", PIXEL, "", "BEGAN, section 3.4"
    ),
    "l_fake_d": Column(
        "the same of the fakes drawn for the discriminator", PIXEL, "", "BEGAN, section 3.4"
    ),
    "k": Column(
        "weight of the fakes in L_D; at 0 or 1 for good, the balance is lost",
        "",
        "",
        "BEGAN, section 3.4",
    ),
    "m_global": Column(
        "L(x) + |gamma L(x) - L(G(z))|, the convergence measure", PIXEL, "lower", "BEGAN, 3.4.1"
    ),
    "balance": Column(
        "|gamma L(x) - L(G(z))|, how far from equilibrium", PIXEL, "lower", "BEGAN, section 3.4.1"
    ),
    "ratio": Column("L(G(z)) / L(x), which the balance holds at gamma", source="BEGAN, equation 4"),
    **_GRADIENTS,
}

METHOD_COLUMNS: dict[str, dict[str, Column]] = {
    "began": _BEGAN,
    "began_cs": {
        **_BEGAN,
        "constraint": Column(
            "|z - Enc(G(z))| a code dimension, without its weight alpha",
            "of the prior's [-1, 1]",
            "lower",
            "Chang et al. 2018",
        ),
    },
    "ebgan": {
        "energy_real": Column("D(x): error in rebuilding real images", NORM, "", "EBGAN, eq. 1"),
        "energy_fake": Column("D(G(z)): the same of fakes", NORM, "", "EBGAN, equation 2"),
        "hinge": Column(
            "max(0, m - D(G(z))); 0 says that fakes lie beyond the margin", NORM, "", "EBGAN, eq. 1"
        ),
        "loss_d": Column("L_D: energy_real + hinge", NORM, "lower", "EBGAN, equation 1"),
        "loss_g": Column("L_G: energy_fake + weighted pulling_away", NORM, "", "EBGAN, equation 2"),
        "pulling_away": Column(
            "mean squared cosine between the fakes' codes, without its weight; 1: all alike",
            "",
            "lower",
            "EBGAN, section 2.4",
        ),
        **_GRADIENTS,
    },
    "dcgan": {
        "loss_d": Column("cross-entropy of real against fake", NATS, "", "Goodfellow et al. 2014"),
        "loss_g": Column(
            "-log D(G(z)), the non-saturating loss", NATS, "lower", "Goodfellow et al. 2014"
        ),
        "d_real": Column("D(x): mean probability of real, on real images", source="DCGAN"),
        "d_fake": Column("D(G(z)): the same on fakes; near 0 the generator has lost"),
        **_GRADIENTS,
    },
    "wgan_gp": {
        "wasserstein": Column(
            "critic_real - critic_fake, the estimate of the distance", CRITIC, "lower", "WGAN-GP, 2"
        ),
        "critic_real": Column("mean of the critic over real images", CRITIC),
        "critic_fake": Column("mean of the critic over fakes", CRITIC),
        "penalty": Column(
            "(|gradient| - 1)^2, without its weight", "", "lower", "WGAN-GP, equation 3"
        ),
        "loss_d": Column("critic_fake - critic_real + weighted penalty", CRITIC, "", "WGAN-GP, 3"),
        "loss_g": Column(
            "-critic_fake, at the generator's last update; repeated between two", CRITIC
        ),
        "grad_norm_d": Column("L2 norm of the gradient over the critic's weights"),
        "grad_norm_g": Column("of the generator's, at its last update; repeated between two"),
    },
}
