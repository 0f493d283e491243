"""The section of one ablation under one profile."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmark.claims.settled import WATCHED, moving
from benchmark.evaluation.settings import FID_FEATURES, distance_title, is_mostly_bias
from benchmark.markup import code, escaped
from benchmark.report.answers import answer, answer_table, status
from benchmark.report.captions import data_words, made_of, set_up, subject
from benchmark.report.document import Block, Details, Gallery, Heading, Picture, Plain, Words
from benchmark.report.figures.curves import curves, is_apart, is_banded
from benchmark.report.figures.heatmap import heatmap
from benchmark.report.figures.samples import (
    drawn,
    grids,
    samples,
    shown_seeds,
    strips,
    without_samples,
)
from benchmark.report.figures.scatter import is_between, scatter
from benchmark.report.figures.shown import shown_words
from benchmark.report.numbers import least_p, number, title
from benchmark.report.preference import preference
from benchmark.report.probes import classified, probes
from benchmark.report.signals import about_signals, signals
from benchmark.report.tables import cell_table, measure_table, noise_table, run_table
from benchmark.report.tuning import BEST_OF, tuning
from benchmark.report.verdicts import claims
from benchmark.results.schema import AblationRecord, CellRecord
from benchmark.results.tables import Tables, readable
from benchmark.text import counted

# File names of the figures, beside ablation.json.
FIGURES = ("curves.png", "samples.webp", "heatmap.png", "scatter.png", "strips.webp", BEST_OF)


def heading(results: Tables) -> Heading:
    return Heading(2, escaped(results.title))


def section(results: Tables) -> list[Block]:
    """Question, answer, one table, one figure and limits; then what most readers skip."""
    record, twins = results.record, list(map(Words, _twins(results)))
    demonstration = Words(
        f"**This is a demonstration on {data_words(record)} at small scale. It shows that"
        " the harness works; it is not a finding.**"
    )
    pictures = _pictures(results)
    main = _main_picture(results, pictures)
    return [
        heading(results),
        *[demonstration] * (not record.finding),
        Words(f"**Question.** {escaped(record.question)}"),
        Words(f"**Answer** ({status(results)}). {answer(results)}"),
        answer_table(results),
        *signals(results),
        *classified(results),
        *([main] if main else []),
        *tuning(results),
        *_warnings(results),
        Words(_reach_of_all(results)),
        *claims(results),
        Details("Set-up and settings", _settings(record)),
        Details("Distances and cost", [cell_table(results)]),
        Details("Measures at the last snapshot", [measure_table(results)]),
        Details("Every measure, with the noise of seeds and of evaluation", [noise_table(results)]),
        Details("The runs behind these numbers", [run_table(results)]),
        *(Details(name, [each]) for name, each in pictures.items() if each is not main),
        *_gallery(results),
        *probes(results),
        preference(results),
        Details("Failures, collapses and unfinished runs", [Words(_failures(results))]),
        *[Details("Cells with the same weights", twins)] * bool(twins),
        *(Details("Notes", [words]) for words in notes(results.folder)),
        Details("What this ablation cannot show", [Words(_limits(results))]),
    ]


def _main_picture(results: Tables, pictures: Mapping[str, Picture]) -> Picture | None:
    """The scatter for a question about a signal, the paths for one about what is between faces."""
    tests = [claim.test for claim in results.record.claims]
    order = ("Samples", "Curves")
    if about_signals(results):
        order = ("Signal against distance", "Samples")
    elif any(getattr(test, "column", "").startswith("embedded.") for test in tests):
        order = ("Paths", "Samples")
    return next((pictures[name] for name in (*order, *pictures) if name in pictures), None)


def notes(folder: Path) -> Iterator[Words]:
    """Observations that no table holds; raises BenchError if notes.md cannot be read."""
    path = folder / "notes.md"
    with readable(path, ""):
        text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    if text:
        yield Words(f"Written by hand in notes.md, not computed.\n\n{text}")


def _settings(record: AblationRecord) -> list[Plain]:
    source = [Words(f"Source of the question: {escaped(record.source)}.")] if record.source else []
    return [*source, Words(set_up(record)), Words(settings_in_words(record))]


def settings_in_words(record: AblationRecord) -> str:
    """The settings of all cells, those of most cells of a method, and how each cell departs."""
    lines = [f"- all cells: {_pairs(record.settings)}"]
    methods = dict.fromkeys(cell.method for cell in record.cells)
    usual = {method: _usual(record.cells, method) for method in methods}
    lines += [
        f"- cells of {escaped(method)}, unless stated otherwise: {_pairs(settings)}"
        for method, settings in usual.items()
        if settings
    ]
    for cell in record.cells:
        settings, common = cell.settings, usual[cell.method]
        own = {k: v for k, v in settings.items() if k not in common or common[k] != v}
        lacking = ", ".join(code(key) for key in common if key not in settings)
        parts = [_pairs(own)] * bool(own) + [f"without {lacking}"] * bool(lacking)
        if parts:
            lines.append(f"- {escaped(cell.cell)}: {', '.join(parts)}")
    return "\n".join(lines)


def _usual(cells: Sequence[CellRecord], method: str) -> dict[str, object]:
    """The settings that more than half of a method's cells share; none if it has only one cell."""
    own = [cell.settings for cell in cells if cell.method == method]
    pairs = [pair for settings in own for pair in settings.items()]
    count = Counter((key, repr(value)) for key, value in pairs)
    most = {k: v for k, v in pairs if len(own) > 1 and count[k, repr(v)] > len(own) / 2}
    return {key: most[key] for key, _ in pairs if key in most}


def _pairs(settings: dict[str, object]) -> str:
    return ", ".join(code(f"{key}={value}") for key, value in settings.items())


def _warnings(results: Tables) -> Iterator[Block]:
    for judge in results.record.judges:
        width = int(judge.network.get("width", 0))
        if is_mostly_bias(judge.samples, width):
            yield Words(
                f"**Mostly bias** in distances by {judge.features}: {judge.samples:,} samples in"
                f" {width:,} dimensions. Compare only within this section."
            )
    yield from map(Words, (*_unjudged(results), *_unsettled(results)))
    for cell in results.record.cells:
        if cell.differing:
            runs = ", ".join(map(code, cell.differing))
            yield Words(
                f"**Not comparable within {escaped(cell.cell)}:** {runs} saw data other than what"
                " the caption says. Train them again before you trust this cell's mean."
            )


def _unjudged(results: Tables) -> Iterator[str]:
    """Judges that have not judged every finished run in their newest version."""
    done, rows = set(results.done["run_id"]), results.evaluations
    for judge in results.record.judges:
        lacking = len(done - set(rows.loc[rows["judge"] == judge.name, "run_id"]))
        if lacking:
            yield (
                f"**Not evaluated:** {lacking} of {len(done)} finished runs lack rows by judge"
                f" {judge.name} in its newest version; `bench evaluate FILE` adds them."
            )


def _unsettled(results: Tables) -> Iterator[str]:
    """Finished runs that might have ended elsewhere with longer training."""
    unsettled = moving(results)
    counts = Counter(column for columns in unsettled.values() for column in columns)
    if counts:
        columns = [column for column in WATCHED if counts[column]]
        what = ", ".join(f"{title(results.shown(each))} {counts[each]}" for each in columns)
        yield (
            f"**Not settled** at their end: {sum(map(bool, unsettled.values()))} of"
            f" {len(unsettled)} finished runs ({what}). Longer runs may give other answers."
        )


def _twins(results: Tables) -> Iterator[str]:
    """Cells whose runs end with the same weights as an earlier cell's."""
    first: dict[tuple[float, str], str] = {}  # (seed, weights) to the earliest cell with them
    for cell in results.cells:
        weights = [(run["seed"], run["weights_sha256"]) for run in cell.done]
        twins = Counter(first[each] for each in weights if each in first)
        for other, same in twins.items():
            yield (
                f"**The same weights:** {same} of {len(weights)} finished runs of"
                f" {escaped(cell.title)} ended with exactly the weights (by SHA-256) of the run of"
                f" {escaped(other)} with the same seed. For them the setting changed nothing at"
                " this scale, whatever an interval over seeds says."
            )
        for each in weights:
            first.setdefault(each, cell.title)


def _pictures(results: Tables) -> dict[str, Picture]:
    """The pictures that have something to show, keyed by what they show."""
    # The scatter is only for findings about signals; a demonstration shows everything.
    signal = about_signals(results) or not results.record.finding
    pictures, scattered = {}, scatter(results) if signal else None
    scatter_caption = _scatter_caption(results) if scattered else ""
    for name, image, alt, caption in (
        ("curves.png", curves(results), "Curves", _curves_caption(results)),
        ("heatmap.png", heatmap(results), "Map", _map_caption(results)),
        ("scatter.png", scattered, "Signal against distance", scatter_caption),
        ("samples.webp", samples(results), "Samples", _samples_caption(results)),
        ("strips.webp", strips(results), "Paths", _strips_caption(results)),
    ):
        if image is not None:
            pictures[alt] = Picture(
                results.folder / name,
                image,
                f"{alt} of {results.title}",
                f"{caption} {made_of(results.record)}.",
                f"{caption} Data, judge and training as in the table above.",
            )
    return pictures


def _gallery(results: Tables) -> Iterator[Gallery]:
    every = grids(results)
    if every:
        yield Gallery(
            every,
            f"Every run's last grid: {subject(results.record)} generated from the first codes of a"
            f" fixed draw, not selected. Click a grid to enlarge it. {made_of(results.record)}.",
        )


def _curves_caption(results: Tables) -> str:
    signals = ", ".join(title(signal) for signal in results.record.signals)
    distance = distance_title(results.entry.features)
    own = "each method's own signal" if len(results.record.signals) > 1 else "the method's signal"
    which = shown_words(results.cells)
    band = "its mean over seeds, within the band of its runs"
    if is_apart(results):
        how = f"one panel per cell: {band}. Dashed grey: the mean of the first cell with the same"
        how += " signal"
    else:
        drawn = band if is_banded(results) else "one line per run"
        how = f"one colour, line style and marker per cell: {drawn}"
    return f"{distance} and {signals} ({own}) against training step; {how}.{which}"


def _map_caption(results: Tables) -> str:
    return (
        f"{distance_title(results.entry.features)} at the last checkpoint, mean over finished runs,"
        " and how many runs failed or were collapsed at their end. Grey: not planned, or no"
        " finished run."
    )


def _scatter_caption(results: Tables) -> str:
    signal = "the signal's mean since the previous evaluation"
    if not is_between(results):
        return (
            f"Within finished runs: one point per evaluation ({signal}), joined in the order of"
            " training, with an open marker for the first. Any two falling series correlate, so"
            " this shows how training went and is no evidence that one tracks the other; that takes"
            f" several runs of the same setting.{shown_words(results.cells)}"
        )
    return (
        f"Between finished runs: one point per run and step ({signal}), those of one run joined;"
        " within one panel and one step only the seed differs. rho: Spearman's at one step, mean"
        f" over all steps; descriptive.{shown_words(results.cells)}"
    )


def _samples_caption(results: Tables) -> str:
    seeds, name = shown_seeds(results), distance_title(results.entry.features)
    which = "every seed" if len(seeds) == len(results.record.seeds) else f"only seed {seeds[0]}"
    absent = without_samples(results)
    present = [cell for cell in results.cells if cell.title not in set(absent)]
    # Grids of 32 px are doubled, those of 16 px tripled.
    few_pixels = any(setup.data.settings["size"] < 32 for setup in results.record.setups)
    enlarged = "enlarged" if few_pixels else "doubled"
    real = " First: real images of the test part." if drawn(results) else ""
    left_out = f" Nothing to show yet: {', '.join(map(escaped, absent))}." if absent else ""
    return (
        f"Generated {subject(results.record)}: the first rows of each run's last grid,"
        f" {which}, not selected, with its {name}."
        f"{real}{shown_words(present)}{left_out} Small images are {enlarged}, not smoothed."
    )


def _strips_caption(results: Tables) -> str:
    ends = (
        "The first and last columns are the images that were embedded, the others are generated."
        if drawn(results)
        else "All images are generated, because the embedded photographs may not be shown."
    )
    return (
        "Paths through latent space between embedded held-out images, and in the last row from an"
        f" image to its mirror image. {ends}{shown_words(results.cells)}"
    )


def _failures(results: Tables) -> str:
    """Every run that is not done or has collapsed, and why: a failed run is a result."""
    lines = []
    for cell in results.cells:
        for run in cell.rows:
            why = f": {escaped(run['reason'])}" if run["reason"] else ""
            notes = []
            if run["state"] != "done":
                notes.append(f"{run['state']} at step {run['step']:.0f}{why}")
            if run.get("collapsed") == 1:
                notes.append(f"collapsed from step {run['collapsed_at']:.0f} to its last row")
            if notes:
                who = f"{code(run['run_id'])} ({escaped(cell.title)}, seed {run['seed']:.0f})"
                lines.append(f"- {who}: {'; '.join(notes)}")
    return "\n".join(lines) or "None: every planned run is done, and none has collapsed."


def _reach_of_all(results: Tables) -> str:
    methods, steps = _methods_and_steps(results.record)
    these = "this method" if len(methods) == 1 else "these methods"
    return (
        f"These results hold only for these images, {these} ({', '.join(methods)}) and"
        f" {', '.join(steps)} steps."
    )


def _methods_and_steps(record: AblationRecord) -> tuple[list[str], list[str]]:
    methods = list(dict.fromkeys(escaped(cell.method) for cell in record.cells))
    return methods, list(dict.fromkeys(f"{cell.steps:,}" for cell in record.cells))


def _limits(results: Tables) -> str:
    record, planned = results.record, len(results.record.seeds)
    lines = [f"- {_reach(planned, 'as planned')}"]
    done = min(len(cell.done) for cell in results.cells)
    if 0 < done < planned:
        lines.append(f"- {_reach(done, 'as finished in the least complete cell')}")
    elif done == 0:
        lines.append("- At least one cell has no finished run: nothing can be said about it.")
    if any(judge.features != FID_FEATURES for judge in record.judges):
        lines.append(
            "- Fréchet distances are not FID, a name reserved for the 2015 Inception features:"
            " compare them within this report, never with published figures."
        )
    methods, steps = map(", ".join, _methods_and_steps(record))
    lines.append(f"- Anything beyond {data_words(record)}, {methods} and {steps} steps.")
    return "\n".join(lines)


def _reach(n: int, which: str) -> str:
    return (
        f"{counted(n, 'seed')} against {n} ({which}): the least two-sided p that an exact test can"
        f" reach is 2/C({2 * n},{n}) = {number(least_p(n))}, before any correction for multiple"
        " comparisons."
    )
