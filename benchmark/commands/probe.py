"""`bench probe`: what a finished run's generator knows beyond its figures."""

from pathlib import Path

import click

from benchmark.commands.options import (
    cache_option,
    data_option,
    device_option,
    run_argument,
    runs_option,
)

COUNT = click.IntRange(2)
DEFAULT_FEATURES = "efficientnet_lite0"


@click.command()
@run_argument
@runs_option
@data_option
@cache_option
@device_option
@click.option("--images", type=COUNT, default=16, show_default=True, help="Images to embed.")
@click.option(
    "--steps", type=COUNT, default=200, show_default=True, help="Adam steps for each image."
)
@click.option("--paths", type=COUNT, default=32, show_default=True, help="Paths to measure.")
@click.option(
    "--samples",
    type=click.IntRange(50),
    default=500,
    show_default=True,
    help="Samples and test images to compare.",
)
@click.option(
    "--training",
    type=click.IntRange(50),
    default=5000,
    show_default=True,
    help="Training images to compare them with.",
)
@click.option("--features", help="Feature network.  [default: the run's headline judge's]")
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    default=("Male", "Young"),
    show_default=True,
    help="Attribute to count among the samples, if the data have any.",
)
def probe(
    run: str,
    runs: Path,
    data_root: Path | None,
    cache: Path,
    device: str,
    features: str | None,
    attributes: tuple[str, ...],
    **sizes: int,
) -> None:
    """Look into RUN's latent space, and for copied images.

    RUN is the id or the folder of a finished run. Writes probe.json and figures in probe/ into the
    run's folder. The figures show training images: do not publish those of people.
    """
    from benchmark.executors.threads import pin_threads
    from benchmark.runs.show import find_run

    directory = find_run(run, runs)
    pin_threads(directory.threads())  # before NumPy starts its own
    from benchmark.probe import Sizes
    from benchmark.probe import probe as look
    from benchmark.worker import pick_device

    evaluation = directory.evaluation()
    if features is None and evaluation is not None:
        features = evaluation.judges[evaluation.headline].features
    found = look(
        directory,
        data_root,
        cache,
        pick_device(device),
        Sizes(**sizes),
        features or DEFAULT_FEATURES,
        attributes,
    )
    embedding, copies = found.embedding, found.memorisation
    click.echo(
        f"embedded: held-out {embedding.heldout:.4f}, training {embedding.training:.4f}, gap "
        f"{embedding.gap:+.4f} [{embedding.gap_low:+.4f}, {embedding.gap_high:+.4f}]"
    )
    click.echo(
        f"paths: linear {found.linear.length:.2f}, spherical {found.spherical.length:.2f}; longest "
        f"step {found.linear.longest_step:.2f}, {found.spherical.longest_step:.2f}"
    )
    click.echo(
        f"nearest training image: {copies.distance_ratio:.2f} of a held-out image's distance; "
        f"{in_words(copies.closer_than_heldout)}"
    )
    for name, share in found.attributes.items():
        click.echo(
            f"{name}: {share.samples_probed:.1%} of samples, {share.training:.1%} of training "
            f"images; the probe is right on {share.accuracy:.1%} of held-out ones"
        )
    click.echo(f"figures: {directory.path / 'probe'}")


def in_words(closer: float) -> str:
    """The share of samples that are closer to a training image than 99 % of held-out images are."""
    if closer == 0:
        return "no sample is closer to a training image than held-out faces are"
    return (
        f"{closer:.1%} of samples are closer to a training image than 99 % of held-out faces are"
        " (1 % is expected where nothing is copied)"
    )
