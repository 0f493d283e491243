"""`bench probe`: what a finished run's generator knows beyond its figures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.options import (
    cache_option,
    data_option,
    device_option,
    run_argument,
    runs_option,
)
from benchmark.commands.tables import say

if TYPE_CHECKING:
    from benchmark.data.settings import DataSettings
    from benchmark.evaluation.settings import ProbeSettings

DEFAULT_FEATURES = "efficientnet_lite0"
ATTRIBUTES = ("Male", "Young")


@click.command()
@run_argument
@runs_option
@data_option
@cache_option
@device_option
@click.option("--images", type=int, help="Images to embed from each split.")
@click.option("--steps", type=int, help="Maximum Adam steps for a code.")
@click.option("--samples", type=int, help="Samples and test images to compare.")
@click.option("--training", type=int, help="Training images to compare them with.")
@click.option("--features", help="Feature network.  [default: those of the run's judges]")
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    help="Attribute to count among the samples.  "
    f"[default: {', '.join(ATTRIBUTES)}, where the data have them]",
)
def probe(
    run: str,
    runs: Path,
    data_root: Path | None,
    cache: Path,
    device: str,
    features: str | None,
    attributes: tuple[str, ...],
    **sizes: int | None,
) -> None:
    """Probe RUN's latent space; look for copied training images.

    RUN is the id or the folder of a finished run. Embeds real images, interpolates between them
    and has the run's judges evaluate the paths. Sizes are those of `evaluation.probe` in the run's
    ablation, or the defaults. Writes probe.json and figures in probe/ into the run's folder; all
    figures but the strips show real images: mind their licence.
    """
    from benchmark.errors import BenchError, BusyError
    from benchmark.executors.threads import pin_threads
    from benchmark.runs.show import find_run

    directory = find_run(run, runs)
    pin_threads(directory.threads())  # before NumPy starts its own
    from benchmark.evaluation.settings import JudgeSettings, ProbeSettings
    from benchmark.probe.look import probe as look
    from benchmark.worker import pick_device

    evaluation = directory.evaluation()
    asked = evaluation.probe if evaluation is not None else None
    if asked is None:
        usual = () if attributes else usual_attributes(directory.spec().data, data_root)
        asked = ProbeSettings(attributes=usual)
    settings = _with(asked, sizes, attributes)
    judges = dict(evaluation.judges) if evaluation is not None else {}
    if features is not None or not judges:
        name = features or DEFAULT_FEATURES
        judges = {name: JudgeSettings(features=name, samples=settings.samples)}
    try:
        with directory.locked():
            found = look(directory, data_root, cache, pick_device(device), settings, judges)
    except BusyError as error:  # its code is for workers
        raise BenchError(str(error)) from None
    for line in lines(found):
        say(line)
    click.echo(f"figures: {directory.path / 'probe'}")


def usual_attributes(data: "DataSettings", data_root: Path | None) -> tuple[str, ...]:
    """Those counted unless others are asked for: ATTRIBUTES that the data have."""
    from benchmark.data.source import labels_of, open_source

    known, _ = labels_of(open_source(data, data_root))
    return tuple(name for name in ATTRIBUTES if name in known)


def _with(
    usual: "ProbeSettings", sizes: dict[str, int | None], attributes: tuple[str, ...]
) -> "ProbeSettings":
    """The usual settings, but for what the command line says."""
    from pydantic import ValidationError

    from benchmark.errors import InputError
    from benchmark.evaluation.settings import ProbeSettings
    from benchmark.faults import allowed

    said: dict[str, Any] = {name: value for name, value in sizes.items() if value is not None}
    said |= {"attributes": attributes} if attributes else {}
    try:
        return ProbeSettings.model_validate({**usual.model_dump(), **said})
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"--{first['loc'][0]} {first['input']}: allowed: {allowed(first)}"
        ) from None


def lines(found: Any) -> "list[str]":
    """A Probe for people."""
    from benchmark.evaluation.columns import copies_in_words

    said = []
    for way, embedded in ((found.way, found.embedded), ("search", found.searched)):
        if embedded is None:
            continue
        pixels = embedded.pixels
        said.append(
            f"embedded by {way}: held-out {pixels.heldout:.4f}, training {pixels.training:.4f}, "
            f"gap {pixels.gap:+.4f} [{pixels.gap_low:+.4f}, {pixels.gap_high:+.4f}]; "
            f"{embedded.outside:.1%} of coordinates outside the prior"
        )
        if way == "search":
            count = found.sizes.images * 5 // 2
            said.append(
                f"search: {embedded.steps:.0f} steps on average; {embedded.unsettled} of {count} "
                "codes had not reached their plateau"
            )
        for name, judge in found.judges.items():
            seen = judge.searched if embedded is found.searched else judge.embedded
            said.append(
                f"{name}: paths of {seen.linear.length:.2f} real images' distances, longest step "
                f"{seen.linear.longest_step:.2f}; to the mirror image {seen.mirrored.length:.2f}, "
                f"{seen.mirrored.longest_step:.2f}"
            )
            said.append(
                f"{name}: distance of {found.middles} middles {seen.middle['distance']:.1f}; "
                f"samples {judge.sampled['distance']:.1f}, averages of two photographs "
                f"{judge.blended['distance']:.1f}, real images {judge.real['distance']:.1f}"
            )
        if embedded.identity is not None:
            said.append(
                f"identity: {embedded.identity.kept:.0%} of embedded faces are nearest to their own"
                " photograph"
            )
    if found.no_identity:
        said.append(f"identity: not measured: {found.no_identity}")
    copies = found.memorisation
    said.append(
        f"nearest training image: {copies.distance_ratio:.2f} of a held-out image's distance; "
        f"{copies_in_words(copies.closer_than_unseen)}"
    )
    for name, share in found.attributes.items():
        said.append(
            f"{name}: {share.samples_probed:.1%} of samples, {share.training:.1%} of training "
            f"images; the probe is right on {share.accuracy:.1%} of held-out ones"
        )
    return said
