"""Write docs/performance.md from what the other scripts measured.

    python -m performance.page

No figure stands here: each comes from performance/measured/, and what is not there is said to be
unmeasured.
"""

from pathlib import Path
from typing import Any

from performance.cells import NOT, judged, said, table
from performance.levers import ADDED, UNDONE
from performance.measured import FOLDER, read
from performance.roofline_page import roofline
from performance.sweep import RUNS, ratio

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
SCALES = (16, 32), (64, 64)  # n, size
# What is wanted, as ratios: on two CPU cores, on one H100.
STEP = {32: (0.55, 0.15), 64: (0.70, 0.20)}
SWEEP = {32: (0.33, 0.05), 64: (0.52, 0.08)}
# Seconds and bytes that are wanted at most.
START = {"help": 0.3, "plan": 0.7}
MEMORY = 2.5e9
OVERHEAD = 0.15
OURS = "ours@tcmalloc"  # as a worker steps


def page(folder: Path = FOLDER) -> str:
    """The whole text."""
    found = {
        name: read(name, folder)
        for name in (
            *(f"{kind}_{n}_{size}" for kind in ("steps", "sweep") for n, size in SCALES),
            *(
                "steps_8_32",
                "frechet",
                "overhead",
                "startup",
                "memory",
                "roofline",
                "shares",
                "gpu",
            ),
        )
    }
    parts = [
        "# Performance",
        "Written by `python -m performance.page` from the figures in `performance/measured/`; "
        "measure and write it anew with `make performance`. All ratios are medians of rounds in "
        "which the ways take turns. Lower is better.",
        _where(found),
        _targets(found),
        _small(found["steps_8_32"]),
        _frechet(found["frechet"]),
        *(_levers(found[f"steps_{n}_{size}"]) for n, size in SCALES),
        roofline(found),
        _commands(found),
        _unmeasured(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _where(found: dict[str, Any]) -> str:
    machines = {
        f"{m['cpu']}, {m['cores']} cores, {m['instructions']}, {m['system']}, Python "
        f"{m['python']}, torch {m['torch']}"
        for record in found.values()
        if record and not (m := record["machine"])["gpu"]
    }
    loads = [record["machine"]["load"] for record in found.values() if record]
    return (
        f"Machine: {'; '.join(sorted(machines))}; its load was {min(loads):.0f} to "
        f"{max(loads):.0f}. Times are processor seconds of one thread; other work on the machine "
        "still lengthens them, so ratios are what to read."
    )


def _targets(found: dict[str, Any]) -> str:
    heads = ["what", "against", "2 CPU cores", "wanted", "", "one H100", "wanted"]
    rows = [_step_row(found, n, size) for n, size in SCALES]
    rows += [_sweep_row(found, n, size) for n, size in SCALES]
    gpu = found["gpu"] or {}
    used = (gpu.get("used") or {}).get("share")
    rows.append(
        [
            "model FLOP/s, 64 px, n = 128, lanes",
            "measured bf16 rate",
            *("", "", "", said(used), "at least 0.35"),
        ]
    )
    rows += _frechet_rows(found)
    share = (found["overhead"] or {}).get("share")
    rows.append(
        ["time not spent training in a short run", "the run", *judged(share, OVERHEAD), NOT, 0.15]
    )
    for name, most in START.items():
        seconds = (found["startup"] or {}).get(name)
        command = {"help": "--help", "plan": "plan ablations/gamma.yaml"}[name]
        rows.append([f"`bench {command}`, s", "", *judged(seconds, most), "", ""])
    peak = (found["memory"] or {}).get("peak")
    gigabytes = None if peak is None else peak / 1e9
    rows.append(["memory of a 64 px, n = 64 run, GB", "", *judged(gigabytes, MEMORY / 1e9), "", ""])
    return "## What it must reach\n\n" + table(heads, rows)


def _step_row(found: dict[str, Any], n: int, size: int) -> list[Any]:
    steps = found[f"steps_{n}_{size}"]
    value = steps["ways"][OURS]["ratio"] if steps else None
    gpu = ((found["gpu"] or {}).get(f"steps_{size}") or {}).get("TF32, graph", {}).get("ratio")
    cpu, card = STEP[size]
    what = f"step, {size} px, n = {n}, in a worker"
    return [what, "textbook step", *judged(value, cpu), said(gpu), card]


def _sweep_row(found: dict[str, Any], n: int, size: int) -> list[Any]:
    whole, steps = found[f"sweep_{n}_{size}"], found[f"steps_{n}_{size}"]
    rows = (found["gpu"] or {}).get(f"steps_{size}") or {}
    gpu = next((row["ratio"] for name, row in rows.items() if f"{RUNS} lanes" in name), None)
    cpu, card = SWEEP[size]
    what = f"sweep of {RUNS} runs, {size} px, n = {n}"
    if whole or not steps:
        found_cpu = judged(whole["ratio"] if whole else None, cpu)
        return [what, "textbook, one after another", *found_cpu, said(gpu), card]
    # Composed: the textbook is at most `jobs` times as fast on so many cores as on one.
    step, jobs = steps["ways"][OURS]["ratio"], steps["machine"]["cores"]
    low, high = (ratio(step, 1 / speedup, RUNS, jobs) for speedup in (1, jobs))
    verdict = "missed" if low > cpu else "reached" if high <= cpu else "open"
    return [
        what,
        "textbook, one after another",
        f"{low:.2f} to {high:.2f} (composed)",
        cpu,
        verdict,
        said(gpu),
        card,
    ]


def _frechet_rows(found: dict[str, Any]) -> list[list[Any]]:
    record, gpu = found["frechet"], (found["gpu"] or {}).get("frechet") or {}
    rows = []
    for key, against, most in (
        ("scipy", "SciPy's general square root", 0.10),
        ("eigenvalues", "eigenvalues of the plain product", 0.35),
    ):
        for part in ("trace", "whole"):
            value = record["worker"][part][key] if record else None
            card = said(gpu.get("ratio")) if (key, part) == ("scipy", "whole") else ""
            what, wanted = f"Fréchet distance, {part}, in a worker", 0.05 if card else ""
            rows.append([what, against, *judged(value, most), card, wanted])
    return rows


def _frechet(record: dict[str, Any] | None) -> str:
    """The whole distance under both allocators, and what no way around can spare."""
    if record is None:
        return ""
    rows = []
    for name, parts in record.items():
        if name in ("system", "worker"):
            whole = parts["whole"]
            ours = whole["scipy"], whole["eigenvalues"]
            rows.append([f"ours; allocator: {name}", *ours])
            rows.append([f"floor; allocator: {name}", *(ratio / whole["floor"] for ratio in ours)])
    heads = ["whole distance, from features", "of SciPy's time", "of the plain product's"]
    return (
        "## The Fréchet distance\n\n"
        + table(heads, rows)
        + "\n\nThe floor is the product A^T A of the features and the eigenvalues of one symmetric "
        "matrix, alone, by the same libraries. Above it lie passes over the features, and the two "
        "triangular products that make the matrix symmetric."
    )


def _small(steps: dict[str, Any] | None) -> str:
    if steps is None:
        return ""
    before, now = steps["ways"]
    share = steps["ways"][now]["ratio"]
    return (
        "## A small step\n\n"
        f"A step of a small network (32 px, n = 8) in a worker now takes {share:.2f} of the time "
        f"that it took before ({_name(before)}), to the same bits: {1 / share:.2f} times the speed."
    )


def _levers(steps: dict[str, Any] | None) -> str:
    if steps is None:
        return ""
    ways = steps["ways"]
    rows = [
        [
            _name(way),
            row["seconds"] * 1e3,
            row["ratio"],
            f"{row['lowest']:.2f}-{row['highest']:.2f}",
        ]
        for way, row in ways.items()
    ]
    heads = ["way", "ms a step", "ratio", "of rounds"]
    return (
        f"## Levers at {steps['size']} px, n = {steps['n']}\n\n"
        f"Rounds: {steps['rounds']}, of {steps['steps']} steps of each way.\n\n"
        + table(heads, rows)
        + "\n\nOurs keeps the bits of the plain step in its own memory format: foreach Adam, "
        "unfilled memory and any allocator were adopted because they do. Fused Adam, "
        "`torch.compile` and one z for both players give other bits (the last another method), "
        "so they are not the default."
    )


def _name(way: str) -> str:
    what, _, allocator = way.partition("@")
    name, *levers = what.split("+")
    words = [{**UNDONE, **ADDED}[lever] for lever in levers]
    return "; ".join([name, *words, f"allocator: {allocator}"])


def _commands(found: dict[str, Any]) -> str:
    rows = [[name, f"`{record['command']}`"] for name, record in found.items() if record]
    return "## The commands\n\n" + table(["figures", "made by"], rows)


def _unmeasured(found: dict[str, Any]) -> str:
    lines = ["## What is unmeasured", ""]
    if found["gpu"] is None:
        lines.append(
            "- **Every figure of a GPU**: none was at hand. `python -m performance.gpu` measures "
            "them in under 10 minutes (`training.precision`, a CUDA graph of the whole step, lanes "
            "as graphs on streams and as whole runs, batches from the device, the Fréchet "
            "distance). On a CPU it is tested that a step in fixed memory, and a stand-in for the "
            "graph, give the bits of a launched step, in float32 and in bfloat16; the capture "
            "itself, its speed, and whether TF32 and bfloat16 keep the Fréchet distance over seeds "
            "(`ablations/precision.yaml`) are not."
        )
    if not all(found[f"sweep_{n}_{size}"] for n, size in SCALES):
        lines.append(
            "- **The sweep as a whole on the CPU**: it needs an idle machine. The table composes "
            "it from the measured step: in whole rounds of as many processes as cores, against a "
            "textbook that gains nothing from further cores, up to one that gains all of them. "
            "`python -m performance.sweep` measures it."
        )
    tables = [found[f"steps_{n}_{size}"] for n, size in SCALES]
    measured = " ".join(way for table in tables if table for way in table["ways"])
    lines += [
        f"- **{what}**: `python -m performance.steps --ways textbook@system ours+{name}@system`."
        for name, what in {**UNDONE, **ADDED}.items()
        if f"+{name}@" not in measured
    ]
    lines.append(
        "- **Lanes in training**: `--lanes N` of `bench run` trains N runs in one process, to "
        "the lone run's bits on a CPU, where they do not pay and are not the default. On a GPU "
        "(`--lanes auto --graphs`) their bits and speed, their number that pays, and how good the "
        "estimate of their memory is are unmeasured, and so they are not the default there. They "
        "are threads with a graph each; stacked parameters (`torch.func`) and grouped "
        "convolutions were not built."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
