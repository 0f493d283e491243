"""The whole report: introduction, questions and answers, notes, all claims and sections."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from benchmark.claims.seeds import stand
from benchmark.claims.verdicts import AGAINST
from benchmark.errors import in_words
from benchmark.evaluation.metrics import METRICS
from benchmark.markup import code, escaped
from benchmark.report.answers import answer, status
from benchmark.report.captions import made_of_all
from benchmark.report.document import (
    Block,
    Details,
    Document,
    Heading,
    Picture,
    Section,
    Table,
    Words,
)
from benchmark.report.evidence import DEPENDS, Evidence
from benchmark.report.figures.forest import FOREST, effects, forest, judged
from benchmark.report.figures.samples import drawn
from benchmark.report.files import GENERATED
from benchmark.report.numbers import INCOMPLETE, NONE, number, title
from benchmark.report.retired import Scale, read_retired
from benchmark.report.scales import scales
from benchmark.report.sections import heading, notes, section
from benchmark.report.tables import DRAWS, MIDDLE, SEEDS
from benchmark.results.places import ENDED
from benchmark.results.tables import Tables
from benchmark.text import counted

INTRODUCTION = f"""\
Questions that readers of the BEGAN paper (arXiv 1703.10717) ask, answered with trained networks.
The training seed is the unit: each seed counts once, and brackets are 95 % intervals over seeds
(Welch's, for differences). Each claim names the least effect that would matter. It is *supported*
if the effect is shown to be larger than that, *refuted* if an effect that large is ruled out and
the measured one does not point the claimed way, and *underpowered* if this many seeds could easily
have missed a true effect, which does not mean that there is none. A claim is *confirmatory* if it
was registered before its runs, and otherwise *exploratory*.

{GENERATED} from the tables under results/ alone; do not edit. `bench reproduce RUN`
trains a run again and compares it with these tables."""
NO_PHOTOGRAPHS = """\
No real faces are shown, because photographs of people may not be republished."""
VERDICTS = """\
Each claim names the least effect that would matter. Its verdict is one of:

- *supported*: the effect is larger than that (for a claim of no effect: smaller; for a claim about
  every run: fewer than a fifth of all seeds break it);
- *refuted*: an effect of that size is ruled out, and the measured one does not point the claimed
  way; or one run breaks a claim about every run;
- *too small*: an effect of that size is ruled out, but the measured one points the claimed way;
- *saturated*: the measure is at 0, or at 1, in every run;
- *underpowered*: this many seeds would support a true claim in less than half of all studies;
- *undecided* or *not run*.

None of the last four verdicts means that there is no effect. Tests and intervals are explained in
docs/explanation/evidence.md."""


def _metrics() -> str:
    return "; ".join(
        f"**{title(name)}**{f' ({each.better} is better)' * bool(each.better)}: {each.meaning}"
        for name, each in METRICS.items()
    )


GLOSSARY = f"""\
- **{SEEDS}**: sample standard deviation over training seeds, which are the unit; also after "±".
- **{DRAWS}**: standard deviation over repeated evaluations of the same last weights, pooled over
  runs. It shows how precise one number is, not how much another training run would differ.
- **{MIDDLE}**: mean of the middle half of the seeds (Agarwal et al. 2021), which a single outlier
  does not affect; with a 95 % interval if there are at least five seeds.
- **last**: the last row of each finished run. **best by validation**: the test value at the
  checkpoint with the least distance to *validation* images; never the best test value.
- **runs**: done of planned. **failed**: ended early; the reason is below the table.
- **collapsed**: at the last evaluation, the samples' mean pairwise feature distance is a small
  share of the real images' own. Collapsed runs that finished are included in the means.
- **{INCOMPLETE}**: fewer finished runs than planned. The mean is over the finished ones only, which
  may flatter the cell.
- **own signal**: the quantity that the method's paper monitors (M_global for BEGAN), averaged over
  training batches. Its scale depends on the method and its settings: compare it only within a cell.
- **real against real**: as many training images in the generator's place, which is what a perfect
  generator would score. **blurred against real**: the same images without their finest details.
- **images from outside**: somebody's own images, judged like samples (`bench evaluate --images`).
- **core-minutes**: processor time of all runs of the cell together, including failed ones.
- A Fréchet distance is called FID only on the 2015 Inception features; any other is named after its
  features and is not an FID.
- Metrics: {_metrics()}."""

CLAIMS = [
    *("claim", "section", "verdict", "status", "effect", "interval", "corrected p", "over all"),
    *("power", "by other measures", "runs"),
]


def compose(
    ablations: list[Tables], damaged: Mapping[Path, str] | None = None, *, tolerant: bool = False
) -> Document:
    """The document over all ablations, which also says why `damaged` folders cannot be read.

    If `tolerant`, a section that cannot be drawn says so, and the others are written without it.
    """
    folder = ablations[0].folder.parents[1]
    # The longest training comes first.
    ablations = sorted(ablations, key=lambda each: each.record.steps, reverse=True)
    sections = [_section(each, tolerant) for each in ablations]
    sound = [each for each, drawn in zip(ablations, sections, strict=True) if not drawn.fault]
    for place, fault in (damaged or {}).items():
        over = Heading(2, escaped("/".join(place.parts[-2:])))
        sections.append(_faulty(place, over, fault))
    blocks: list[Block] = [Heading(1, "Report"), Words(INTRODUCTION), Words(_terms(ablations))]
    if not all(map(drawn, sound)):
        blocks.append(Words(NO_PHOTOGRAPHS))
    blocks += [Heading(2, "Questions and answers")]
    blocks += [questions(sound), *_forest(sound)] if sound else []
    written = list(notes(folder))
    blocks += [Heading(2, "In plain words"), *written] if written else []
    findings = [Scale.of(each) for each in sound if each.record.finding]
    blocks += scales([*findings, *read_retired(folder)])
    blocks += [
        Details("All claims", [Words(VERDICTS), claims_table(sound)]),
        Details("How to read the tables", [Words(GLOSSARY)]),
        Details("What it took", [Words(_cost(ablations))]),
    ]
    return Document(folder, blocks, sections)


def _terms(ablations: list[Tables]) -> str:
    """Terms that the first table uses; judges declare what they were trained on."""
    domains = {
        judge.name: judge.network["domain"]
        for results in ablations
        for judge in results.record.judges
        if judge.network.get("domain")
    }
    judges = "; ".join(f"{code(name)}, trained on {escaped(of)}" for name, of in domains.items())
    return (
        f"A *judge* is a feature network{f' ({judges})' * bool(judges)}, and *distance* is the"
        " Fréchet distance between its features of samples and of test images: lower is better. A"
        " difference is the first-named minus the second, so a positive difference in distance"
        f" means worse. *{DEPENDS.capitalize()}* means that another measure or judge shows the"
        " opposite."
    )


def _section(results: Tables, tolerant: bool) -> Section:
    over = heading(results)
    try:
        drawn = Section(results.folder, over, section(results))
        effects([results])  # the figure over all ablations needs them
        return drawn
    except Exception as error:
        if not tolerant:
            raise
        return _faulty(results.folder, over, in_words(error) or f"{type(error).__name__}: {error}")


def _faulty(folder: Path, over: Heading, fault: str) -> Section:
    words = Words(f"**This section cannot be drawn:** {escaped(fault)}")
    return Section(folder, over, [over, words], fault)


def _seeds(results: Tables) -> str:
    """Seeds per cell, planned and lent; a range if cells differ."""
    counts = sorted({cell.planned for cell in results.cells})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _unfinished(results: Tables) -> str:
    """How many runs have failed, which is a result, and how many are still to come."""
    states = results.runs["state"]
    failed, missing = int((states == "failed").sum()), int((~states.isin(ENDED)).sum())
    counts = [f"{counted(failed, 'run')} failed"] * bool(failed)
    counts += [f"{counted(missing, 'run')} missing"] * bool(missing)
    return f" ({', '.join(counts)})" if counts else ""


def questions(ablations: list[Tables]) -> Table:
    """One row per ablation and profile."""
    rows = []
    for results in ablations:
        judges = [judge.name for judge in results.record.judges if judge.digest]
        rows.append(
            {
                "question": f"[{escaped(results.record.question)}](#{heading(results).anchor})",
                "steps": f"{results.record.steps:,}",
                "answer": answer(results),
                "seeds": _seeds(results) + _unfinished(results),
                "judges": ", ".join(judges) or NONE,
                "status": status(results),
            }
        )
    return Table(
        "questions",
        pd.DataFrame(rows),
        f"Effects with 95 % intervals. {made_of_all([each.record for each in ablations])}.",
    )


def _forest(ablations: list[Tables]) -> Iterator[Picture]:
    image = forest(ablations)
    if image is not None:
        yield Picture(
            ablations[0].folder.parents[1] / FOREST,
            image,
            "Effects of the claims about a distance",
            "Change over the whole range of what varies, or from the second setting to the first,"
            " with its 95 % interval (Welch's). Grey band: smaller than the claim's least effect."
            " The table says which direction is claimed. Demonstrations are left out."
            f" {made_of_all([results.record for results in judged(ablations)])}.",
        )


def claims_table(ablations: list[Tables]) -> Table:
    """One row per claim, over all ablations and profiles."""
    rows, overall = [], _over_all(ablations)
    for results in ablations:
        evidence = Evidence(results.folder)
        demo = " (demonstration: no finding)" * (not results.record.finding)
        for claim in results.record.claims:
            verdict = evidence.of(claim)
            rows.append(
                {
                    "claim": escaped(claim.says),
                    "section": escaped(results.title),
                    "verdict": verdict.verdict + demo,
                    "status": escaped(verdict.status),
                    "effect": verdict.effect,
                    "interval": verdict.interval,
                    "corrected p": verdict.p,
                    "over all": overall.get((results.folder, claim.id), NONE),
                    "power": verdict.power,
                    "by other measures": verdict.others,
                    "runs": verdict.runs,
                }
            )
    return Table(
        "claims",
        pd.DataFrame(rows, columns=CLAIMS),
        "A claim is confirmatory if it was registered before its runs, and otherwise exploratory."
        " p is one-sided and corrected over the claims of one ablation, by Holm's steps, or"
        " Dunnett's if claims share runs; for a claim that is refuted or too small, it is the p"
        " against the claim. Over all: whether a decided claim still is when corrected over every"
        " claim of this report. Power: the chance that this many seeds support the claim if the"
        " true effect is twice its least effect. By other measures: whether other metrics of the"
        " same thing, and other judges, change the same way, uncorrected. An effect is a change"
        " over the whole range, a rho or a share, depending on the claim's test. For the data,"
        " judge, scale, test and runs see the section.",
    )


def _over_all(ablations: list[Tables]) -> dict[tuple[Path, str], str]:
    """What becomes of decided claims under Holm's correction over all findings' claims."""
    judged = [
        (results.folder, name, verdict)
        for results in ablations
        if results.record.finding
        for name, verdict in Evidence(results.folder).verdicts.items()
    ]
    outcomes: dict[tuple[Path, str], str] = {}
    for side, decided in enumerate((("supported",), AGAINST)):
        over_all = stand([verdict.p_values[side] for *_, verdict in judged])
        for (folder, name, verdict), (stands, p) in zip(judged, over_all, strict=True):
            if verdict.verdict in decided and not math.isnan(p):
                outcomes[folder, name] = f"{'stands' if stands else 'does not stand'} ({p:.2g})"
    return outcomes


def _cost(ablations: list[Tables]) -> str:
    # A run that two ablations share was trained once.
    runs = pd.concat([results.runs for results in ablations]).drop_duplicates("run_id")
    states = runs["state"].value_counts()
    devices = sorted({device for results in ablations for device in results.record.devices})
    where = escaped(", ".join(devices)) or "none"
    return (
        f"{len(runs)} runs planned, {states.get('done', 0)} done, {states.get('failed', 0)} failed,"
        f" {int((runs['collapsed'] == 1).sum())} collapsed at their end;"
        f" {number(runs['cpu_s'].sum() / 3600)} core-hours of processor time,"
        f" {number(runs['wall_s'].sum() / 3600)} hours of runs, on {where}."
        " To ask any of these questions again at the paper's scale and on CelebA, use `bench run"
        " FILE --profile paper --data-root DIR`, where FILE is the ablation's YAML."
    )
