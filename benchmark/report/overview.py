"""The whole report: introduction, questions and answers in plain words, all claims, sections."""

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
from benchmark.report.evidence import Evidence
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
The training seed is the unit: each seed counts once, and every bracket is a 95 % interval over
seeds (of differences: Welch's). A claim names the least effect that would matter. It is
*supported* where the effect is shown to be larger, *refuted* where one that large is ruled out and
the measured one does not point the claimed way, and *underpowered* where so few seeds could have
missed a true effect, which does not mean that there is none. It is *confirmatory* where it was
registered before its runs, else *exploratory*.

{GENERATED} from the tables under results/ alone; do not edit. `bench reproduce RUN`
trains a run again and compares it with these tables."""
NO_PHOTOGRAPHS = """\
No real faces are shown: photographs of people may not be republished."""
VERDICTS = """\
A claim names the least effect that would matter. Its verdict is *supported* (the effect is larger
than that; of a claim of no effect, smaller; of one about every run, fewer than a fifth of all
seeds break it), *refuted* (an effect of that size is ruled out, and the one that is measured does
not point the claimed way; or one run breaks a claim about every run), *too small* (ruled out, but
it points the claimed way), *saturated* (the measure is at 0, or at 1, in every run),
*underpowered* (a true claim would have been supported by these seeds in less than half of all
studies), *undecided* or *not run*. The last four do not say that there is no effect. Tests and
intervals: docs/explanation/evidence.md."""


def _metrics() -> str:
    return "; ".join(
        f"**{title(name)}**{f' ({each.better} is better)' * bool(each.better)}: {each.meaning}"
        for name, each in METRICS.items()
    )


GLOSSARY = f"""\
- **{SEEDS}**: sample standard deviation over training seeds, which are the unit; "±" is this one.
- **{DRAWS}**: over repeated evaluations of the same last weights, pooled over runs: how far one
  number can be trusted, and nothing of another training run.
- **{MIDDLE}**: the mean of the middle half of the seeds (Agarwal et al. 2021), which a single
  outlier does not move, with its 95 % interval from five seeds on.
- **last**: the last row of each finished run. **best by validation**: the test value where the
  distance to *validation* images is least; never the best test value.
- **runs**: done of planned. **failed**: ended early, with the reason below the table.
- **collapsed**: at the last evaluation the samples' mean pairwise feature distance is a small share
  of the real images' own. A collapsed run that finished is in the means.
- **{INCOMPLETE}**: fewer finished runs than planned; the mean is over the finished ones alone,
  which may flatter the cell.
- **own signal**: what the method's paper watches (M_global for BEGAN), a mean over training
  batches. Its scale depends on the method and its settings: compare it within a cell alone.
- **real against real**: as many training images in the generator's place, what a perfect generator
  would get. **blurred against real**: the same images without their finest details.
- **images from outside**: somebody's own, judged as samples are (`bench evaluate --images`).
- **core-minutes**: processor time of all runs of the cell together, failed ones too.
- A Fréchet distance is called FID only on the 2015 Inception features; any other is named after its
  features, and is no FID.
- Metrics: {_metrics()}."""

CLAIMS = [
    *("claim", "section", "verdict", "status", "effect", "interval", "corrected p", "over all"),
    *("power", "by other measures", "runs"),
]


def compose(
    found: list[Tables], damaged: Mapping[Path, str] | None = None, *, tolerant: bool = False
) -> Document:
    """The document over all ablations, and of `damaged` folders why they cannot be read.

    `tolerant`: where a section cannot be drawn it says so, and the others stand without it.
    """
    folder = found[0].folder.parents[1]
    # First what learnt longest.
    found = sorted(found, key=lambda each: each.record.steps, reverse=True)
    sections = [_section(each, tolerant) for each in found]
    sound = [each for each, made in zip(found, sections, strict=True) if not made.fault]
    for place, fault in (damaged or {}).items():
        over = Heading(2, escaped("/".join(place.parts[-2:])))
        sections.append(_faulty(place, over, fault))
    blocks: list[Block] = [Heading(1, "Report"), Words(INTRODUCTION), Words(_terms(found))]
    if not all(map(drawn, sound)):
        blocks.append(Words(NO_PHOTOGRAPHS))
    blocks += [Heading(2, "Questions and answers")]
    blocks += [questions(sound), *_forest(sound)] if sound else []
    said = list(notes(folder))
    blocks += [Heading(2, "In plain words"), *said] if said else []
    findings = [Scale.of(each) for each in sound if each.record.finding]
    blocks += scales([*findings, *read_retired(folder)])
    blocks += [
        Details("All claims", [Words(VERDICTS), claims_table(sound)]),
        Details("How to read the tables", [Words(GLOSSARY)]),
        Details("What it took", [Words(_cost(found))]),
    ]
    return Document(folder, blocks, sections)


def _terms(found: list[Tables]) -> str:
    """What the first table takes for known; judges say themselves what they were trained on."""
    domains = {
        judge.name: judge.network["domain"]
        for results in found
        for judge in results.record.judges
        if judge.network.get("domain")
    }
    known = "; ".join(f"{code(name)}, trained on {escaped(of)}" for name, of in domains.items())
    return (
        f"A *judge* is a feature network{f' ({known})' * bool(known)}, and *distance* the Fréchet"
        " distance between its features of samples and of test images: lower is better. A"
        " difference is the first-named minus the second, so a positive one of a distance means"
        " worse. *Hangs on the measure* means that another measure or judge shows the opposite."
    )


def _section(results: Tables, tolerant: bool) -> Section:
    over = heading(results)
    try:
        made = Section(results.folder, over, section(results))
        effects([results])  # what the figure over all asks of it
        return made
    except Exception as error:
        if not tolerant:
            raise
        return _faulty(results.folder, over, in_words(error) or f"{type(error).__name__}: {error}")


def _faulty(folder: Path, over: Heading, fault: str) -> Section:
    words = Words(f"**This section cannot be drawn:** {escaped(fault)}")
    return Section(folder, over, [over, words], fault)


def _seeds(results: Tables) -> str:
    """Seeds of a cell, planned and lent; a range where cells differ."""
    counts = sorted({cell.planned for cell in results.cells})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _unfinished(results: Tables) -> str:
    """How many runs have failed, which is a result, and how many are still to come."""
    states = results.runs["state"]
    failed, missing = int((states == "failed").sum()), int((~states.isin(ENDED)).sum())
    said = [f"{counted(failed, 'run')} failed"] * bool(failed)
    said += [f"{counted(missing, 'run')} missing"] * bool(missing)
    return f" ({', '.join(said)})" if said else ""


def questions(found: list[Tables]) -> Table:
    """One row an ablation and profile."""
    rows = []
    for results in found:
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
        f"Effects with 95 % intervals. {made_of_all([each.record for each in found])}.",
    )


def _forest(found: list[Tables]) -> Iterator[Picture]:
    image = forest(found)
    if image is not None:
        yield Picture(
            found[0].folder.parents[1] / FOREST,
            image,
            "Effects of the claims on a distance",
            "Change from end to end of what varies, or from the second setting to the first, with"
            " its 95 % interval (Welch's). Grey band: below the claim's least effect. The table"
            " says which way is claimed. Demonstrations are left out."
            f" {made_of_all([results.record for results in judged(found)])}.",
        )


def claims_table(found: list[Tables]) -> Table:
    """One row a claim over all ablations and profiles."""
    rows, overall = [], _over_all(found)
    for results in found:
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
        "A claim is confirmatory where it was registered before its runs, else exploratory. p is"
        " one-sided and corrected over the claims of one ablation, by Holm's steps, or Dunnett's"
        " where claims share runs; over all: whether a decided claim still is when corrected over"
        " every claim of this report. Of a refuted or"
        " too small claim, p is that against it. Power: the chance that these seeds support the"
        " claim, were it true by twice its least effect. By other measures: whether other metrics"
        " of the same thing, and other judges, change the same way, uncorrected. An effect is a"
        " shift from end to end, a rho or a share, as the claim's test says. Which data, judge,"
        " scale, test and runs: see the section.",
    )


def _over_all(found: list[Tables]) -> dict[tuple[Path, str], str]:
    """What becomes of decided claims under Holm's correction over all findings' claims."""
    known = [
        (results.folder, name, verdict)
        for results in found
        if results.record.finding
        for name, verdict in Evidence(results.folder).verdicts.items()
    ]
    kept: dict[tuple[Path, str], str] = {}
    for side, decided in enumerate((("supported",), AGAINST)):
        over_all = stand([verdict.p_values[side] for *_, verdict in known])
        for (folder, name, verdict), (stands, p) in zip(known, over_all, strict=True):
            if verdict.verdict in decided and not math.isnan(p):
                kept[folder, name] = f"{'stands' if stands else 'does not stand'} ({p:.2g})"
    return kept


def _cost(found: list[Tables]) -> str:
    # A run that two ablations share was trained once.
    runs = pd.concat([results.runs for results in found]).drop_duplicates("run_id")
    states = runs["state"].value_counts()
    devices = sorted({device for results in found for device in results.record.devices})
    where = escaped(", ".join(devices)) or "none"
    return (
        f"{len(runs)} runs planned, {states.get('done', 0)} done, {states.get('failed', 0)} failed,"
        f" {int((runs['collapsed'] == 1).sum())} collapsed at their end;"
        f" {number(runs['cpu_s'].sum() / 3600)} core-hours of processor time,"
        f" {number(runs['wall_s'].sum() / 3600)} hours of runs, on {where}."
        " Any question is asked again, at the paper's scale and on CelebA, by `bench run FILE"
        " --profile paper --data-root DIR`, FILE being the ablation's YAML."
    )
