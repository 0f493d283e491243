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
    """Question, answer, one table, one figure, limits; then what most readers skip."""
    record, twins = results.record, list(map(Words, _twins(results)))
    demonstration = Words(
        f"**This is a demonstration on {data_words(record)} at small scale. It shows that"
        " the harness works; it is not a finding.**"
    )
    pictures = _pictures(results)
    shown = _first(results, pictures)
    return [
        heading(results),
        *[demonstration] * (not record.finding),
        Words(f"**Question.** {escaped(record.question)}"),
        Words(f"**Answer** ({status(results)}). {answer(results)}"),
        answer_table(results),
        *signals(results),
        *classified(results),
        *([shown] if shown else []),
        *tuning(results),
        *_warnings(results),
        Words(_reach_of_all(results)),
        *claims(results),
        Details("Set-up and settings", _settings(record)),
        Details("Distances and cost", [cell_table(results)]),
        Details("Measures at the last snapshot", [measure_table(results)]),
        Details("Every measure, with the noise of seeds and of evaluation", [noise_table(results)]),
        Details("The runs behind these numbers", [run_table(results)]),
        *(Details(name, [each]) for name, each in pictures.items() if each is not shown),
        *_gallery(results),
        *probes(results),
        preference(results),
        Details("Failures, collapses and unfinished runs", [Words(_failures(results))]),
        *[Details("Cells of the same weights", twins)] * bool(twins),
        *(Details("Notes", [words]) for words in notes(results.folder)),
        Details("What this ablation cannot show", [Words(_limits(results))]),
    ]


def _first(results: Tables, pictures: Mapping[str, Picture]) -> Picture | None:
    """Of a question about a signal the scatter, of one about what lies between faces the paths."""
    tests = [claim.test for claim in results.record.claims]
    order = ("Samples", "Curves")
    if about_signals(results):
        order = ("Signal against distance", "Samples")
    elif any(getattr(test, "column", "").startswith("embedded.") for test in tests):
        order = ("Paths", "Samples")
    return next((pictures[name] for name in (*order, *pictures) if name in pictures), None)


def notes(folder: Path) -> Iterator[Words]:
    """Observations that no table holds; raises BenchError where notes.md cannot be read."""
    path = folder / "notes.md"
    with readable(path, ""):
        text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    if text:
        yield Words(f"Written by hand after looking, in notes.md; not computed.\n\n{text}")


def _settings(record: AblationRecord) -> list[Plain]:
    source = [Words(f"Source of the question: {escaped(record.source)}.")] if record.source else []
    return [*source, Words(set_up(record)), Words(settings_in_words(record))]


def settings_in_words(record: AblationRecord) -> str:
    """What all cells share, what most of one method do, and where a cell departs from it."""
    lines = [f"- all cells: {_pairs(record.settings)}"]
    methods = dict.fromkeys(cell.method for cell in record.cells)
    usual = {method: _usual(record.cells, method) for method in methods}
    lines += [
        f"- of {escaped(method)}, where not said otherwise: {_pairs(settings)}"
        for method, settings in usual.items()
        if settings
    ]
    for cell in record.cells:
        settings, common = cell.settings, usual[cell.method]
        own = {k: v for k, v in settings.items() if k not in common or common[k] != v}
        lacks = ", ".join(code(key) for key in common if key not in settings)
        said = [_pairs(own)] * bool(own) + [f"without {lacks}"] * bool(lacks)
        if said:
            lines.append(f"- {escaped(cell.cell)}: {', '.join(said)}")
    return "\n".join(lines)


def _usual(cells: Sequence[CellRecord], method: str) -> dict[str, object]:
    """The settings that more than half of a method's cells have; none where it has one cell."""
    found = [cell.settings for cell in cells if cell.method == method]
    pairs = [pair for settings in found for pair in settings.items()]
    count = Counter((key, repr(value)) for key, value in pairs)
    most = {k: v for k, v in pairs if len(found) > 1 and count[k, repr(v)] > len(found) / 2}
    return {key: most[key] for key, _ in pairs if key in most}


def _pairs(settings: dict[str, object]) -> str:
    return ", ".join(code(f"{key}={value}") for key, value in settings.items())


def _warnings(results: Tables) -> Iterator[Block]:
    for judge in results.record.judges:
        width = int(judge.network.get("width", 0))
        if is_mostly_bias(judge.samples, width):
            yield Words(
                f"**Mostly bias** in {judge.features}: {judge.samples:,} samples in {width:,}"
                " dimensions. Compare within this section alone."
            )
    yield from map(Words, (*_unjudged(results), *_unsettled(results)))
    for cell in results.record.cells:
        if cell.differing:
            runs = ", ".join(map(code, cell.differing))
            yield Words(
                f"**Not comparable within {escaped(cell.cell)}:** {runs} saw other data than"
                " the caption says. Train them again before trusting this cell's mean."
            )


def _unjudged(results: Tables) -> Iterator[str]:
    """Judges that have not seen every finished run, or of which only outdated rows are there."""
    done, rows = set(results.done["run_id"]), results.evaluations
    for judge in results.record.judges:
        lacking = len(done - set(rows.loc[rows["judge"] == judge.name, "run_id"]))
        if lacking:
            yield (
                f"**Not evaluated:** {lacking} of {len(done)} finished runs lack the rows of judge"
                f" {judge.name} in its newest version; `bench evaluate FILE` adds them."
            )


def _unsettled(results: Tables) -> Iterator[str]:
    """Finished runs that might have ended elsewhere, had they trained on."""
    found = moving(results)
    counts = Counter(column for columns in found.values() for column in columns)
    if counts:
        moved = [column for column in WATCHED if counts[column]]
        what = ", ".join(f"{title(results.shown(each))} {counts[each]}" for each in moved)
        yield (
            f"**Not settled** at their end: {sum(map(bool, found.values()))} of {len(found)}"
            f" finished runs ({what}); longer ones may answer otherwise."
        )


def _twins(results: Tables) -> Iterator[str]:
    """Cells whose runs end with the same weights as an earlier cell's."""
    first: dict[tuple[float, str], str] = {}  # (seed, weights) to the earliest cell with them
    for cell in results.cells:
        weights = [(run["seed"], run["weights_sha256"]) for run in cell.done]
        found = Counter(first[each] for each in weights if each in first)
        for other, same in found.items():
            yield (
                f"**The same weights:** {same} of {len(weights)} finished runs of"
                f" {escaped(cell.title)} ended with those of {escaped(other)}, seed by seed"
                " (SHA-256). There the setting changed nothing at this scale, whatever an interval"
                " over seeds says."
            )
        for each in weights:
            first.setdefault(each, cell.title)


def _pictures(results: Tables) -> dict[str, Picture]:
    """By what they show, those that there is something to show in."""
    # A finding about anything else has no use for it; a demonstration shows all there is.
    signal = about_signals(results) or not results.record.finding
    found, scattered = {}, scatter(results) if signal else None
    beside = _scatter_caption(results) if scattered else ""
    for name, image, alt, caption in (
        ("curves.png", curves(results), "Curves", _curves_caption(results)),
        ("heatmap.png", heatmap(results), "Map", _map_caption(results)),
        ("scatter.png", scattered, "Signal against distance", beside),
        ("samples.webp", samples(results), "Samples", _samples_caption(results)),
        ("strips.webp", strips(results), "Paths", _strips_caption(results)),
    ):
        if image is not None:
            found[alt] = Picture(
                results.folder / name,
                image,
                f"{alt} of {results.title}",
                f"{caption} {made_of(results.record)}.",
                f"{caption} Made as the table above says.",
            )
    return found


def _gallery(results: Tables) -> Iterator[Gallery]:
    found = grids(results)
    if found:
        yield Gallery(
            found,
            f"Every run's last grid: generated {subject(results.record)}, the first codes of a"
            f" fixed draw, not selected. Click a grid to enlarge it. {made_of(results.record)}.",
        )


def _curves_caption(results: Tables) -> str:
    signals = ", ".join(title(signal) for signal in results.record.signals)
    distance = distance_title(results.entry.features)
    own = "each method's own signal" if len(results.record.signals) > 1 else "the method's signal"
    which = shown_words(results.cells)
    band = "its mean over seeds, in the band of its runs"
    if is_apart(results):
        how = f"one panel per cell: {band}. Dashed grey: the mean of the first cell with the same"
        how += " signal"
    else:
        drawn = band if is_banded(results) else "a line a run"
        how = f"one colour, line style and marker per cell: {drawn}"
    return f"{distance} and {signals} ({own}) against training step; {how}.{which}"


def _map_caption(results: Tables) -> str:
    return (
        f"{distance_title(results.entry.features)} of the last checkpoints, mean over finished"
        " runs, and how many runs failed or were collapsed at their end. Grey: not planned, or no"
        " finished run."
    )


def _scatter_caption(results: Tables) -> str:
    signal = "the signal's mean since the evaluation before"
    if not is_between(results):
        return (
            f"Within finished runs: one point an evaluation ({signal}), joined as training went on,"
            " the first one open. Two series that both fall always go together, so this shows how"
            " it went and is no evidence that one tracks the other; that takes several runs of a"
            f" setting.{shown_words(results.cells)}"
        )
    return (
        f"Between finished runs: one point a run and step ({signal}), those of one run joined;"
        " within one panel and one step nothing differs but the seed. rho: Spearman's at one step,"
        f" mean over all steps; descriptive.{shown_words(results.cells)}"
    )


def _samples_caption(results: Tables) -> str:
    seeds, name = shown_seeds(results), distance_title(results.entry.features)
    which = "every seed" if len(seeds) == len(results.record.seeds) else f"seed {seeds[0]} alone"
    absent = without_samples(results)
    there = [cell for cell in results.cells if cell.title not in set(absent)]
    # Grids of 32 px are doubled, those of 16 px tripled.
    few_pixels = any(setup.data.settings["size"] < 32 for setup in results.record.setups)
    enlarged = "enlarged" if few_pixels else "doubled"
    real = " First: real images of the test part." if drawn(results) else ""
    left_out = f" Nothing to show yet: {', '.join(map(escaped, absent))}." if absent else ""
    return (
        f"Generated {subject(results.record)}: the first rows of each run's last grid,"
        f" {which}, not selected, with its {name}."
        f"{real}{shown_words(there)}{left_out} Small images: {enlarged}, not smoothed."
    )


def _strips_caption(results: Tables) -> str:
    ends = (
        "the first and last columns are the images that were embedded, the rest is generated."
        if drawn(results)
        else "all of it is generated, as the embedded photographs may not be shown."
    )
    return (
        "Paths through latent space between embedded held-out images, and in the last row from an"
        f" image to its mirror image; {ends}{shown_words(results.cells)}"
    )


def _failures(results: Tables) -> str:
    """Every run that is not done or is collapsed, with its reason: a failed run is a result."""
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
    return "\n".join(lines) or "None: every planned run is done, and none is collapsed."


def _reach_of_all(results: Tables) -> str:
    methods, steps = _methods_and_steps(results.record)
    these = "this method" if len(methods) == 1 else "these methods"
    return (
        f"These results hold for these images, {these} ({', '.join(methods)}) and"
        f" {', '.join(steps)} steps only."
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
        lines.append("- At least one cell has no finished run: nothing can be said of it.")
    if any(judge.features != FID_FEATURES for judge in record.judges):
        lines.append(
            "- Fréchet distances are not FID, which is said of the 2015 Inception features"
            " alone: compare them within this report, never with published figures."
        )
    methods, steps = map(", ".join, _methods_and_steps(record))
    lines.append(f"- Anything beyond {data_words(record)}, {methods} and {steps} steps.")
    return "\n".join(lines)


def _reach(n: int, which: str) -> str:
    return (
        f"{counted(n, 'seed')} against {n} ({which}): the least two-sided p that an exact test can"
        f" reach is 2/C({2 * n},{n}) = {number(least_p(n))}, before any correction for several"
        " comparisons."
    )
