"""One file a method; each reads like its paper."""

from benchmark.methods.settings import MethodSettings

# What each method logs every step, torch-free so that claims can be checked before training.
TRAIN_COLUMNS: dict[str, list[str]] = {
    "began": [
        "l_real",
        "l_fake",
        "l_fake_d",
        "k",
        "m_global",
        "balance",
        "ratio",
        "grad_norm_d",
        "grad_norm_g",
    ],
}

# The method's own measure of convergence among them.
SIGNALS: dict[str, str] = {"began": "m_global"}


def signal(settings: MethodSettings) -> str:
    """The column that the method's paper watches for convergence."""
    return SIGNALS[settings.name]


def train_columns(settings: MethodSettings) -> list[str]:
    """The columns of a training row of this method, the learning rate included."""
    return [*TRAIN_COLUMNS[settings.name], "lr"]
