"""Write docs/performance.md from what the other scripts measured.

    python -m performance.page

No figure stands here: each comes from performance/measured/, and what is not there is said to be
unmeasured.
"""

from pathlib import Path
from typing import Any

from performance.cells import judged, said, table
from performance.levers import ADDED, UNDONE
from performance.measured import FOLDER, read, scaled
from performance.roofline_page import roofline
from performance.sweep import RUNS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
SCALES = (16, 32), (64, 64)  # n, size
# What is wanted at most, as ratios of the textbook's time on the same machine.
STEP = {32: 0.60, 64: 0.80}  # float32, held to AVX2
STEP_AMX = {32: 0.40, 64: 0.20}  # bfloat16
SWEEP_AMX = {32: 0.25, 64: 0.13}
OURS = "ours@tcmalloc"  # as a worker steps
OURS_AMX = "ours+bfloat16@tcmalloc"


def page(folder: Path = FOLDER) -> str:
    """The whole text."""
    found = {
        name: read(name, folder)
        for name in (
            *(
                scaled(kind, n, size, amx=amx)
                for amx in (False, True)
                for kind in ("steps", "sweep")
                for n, size in SCALES
            ),
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
        _others(found),
        _gpu(found["gpu"]),
        _small(found["steps_8_32"]),
        _frechet(found["frechet"]),
        *(
            _levers(found[scaled("steps", n, size, amx=amx)], amx)
            for n, size in SCALES
            for amx in (False, True)
        ),
        _adopted(found),
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
    heads = ["what", "against", "float32, AVX2", "wanted", "", "bfloat16, AMX", "wanted", ""]
    rows = [_step_row(found, n, size) for n, size in SCALES]
    rows += [_sweep_row(found, n, size) for n, size in SCALES]
    return "## What it must reach\n\n" + table(heads, rows)


def _step_row(found: dict[str, Any], n: int, size: int) -> list[Any]:
    value, amx = _ratio(found[scaled("steps", n, size)], OURS), _amx_ratio(found, n, size)
    what = f"step, {size} px, n = {n}, in a worker"
    wanted = judged(value, STEP[size]), judged(amx, STEP_AMX[size])
    return [what, "textbook step", *wanted[0], *wanted[1]]


def _ratio(steps: dict[str, Any] | None, way: str) -> float | None:
    return steps["ways"][way]["ratio"] if steps else None


def _amx_ratio(found: dict[str, Any], n: int, size: int) -> float | None:
    return _ratio(found[scaled("steps", n, size, amx=True)], OURS_AMX)


def _sweep_row(found: dict[str, Any], n: int, size: int) -> list[Any]:
    what = f"sweep of {RUNS} runs, {size} px, n = {n}, 2 cores"
    whole = (found[scaled("sweep", n, size, amx=amx)] for amx in (False, True))
    value, amx = (each["ratio"] if each else None for each in whole)
    return [what, "textbook, one after another", said(value), "", "", *judged(amx, SWEEP_AMX[size])]


def _others(found: dict[str, Any]) -> str:
    share = (found["overhead"] or {}).get("share")
    rows = [["time not spent training, of a short run", said(share)]]
    for name, command in {"help": "--help", "plan": "plan ablations/gamma.yaml"}.items():
        rows.append([f"`bench {command}`, s", said((found["startup"] or {}).get(name))])
    peak = (found["memory"] or {}).get("peak")
    rows.append(["memory of a 64 px, n = 64 run, GB", said(None if peak is None else peak / 1e9)])
    return "## Around a step\n\n" + table(["what", "measured"], rows)


def _gpu(record: dict[str, Any] | None) -> str:
    if record is None:
        return ""
    rows = [
        [f"{name}, {size} px, of the textbook's step", said(row["ratio"])]
        for _, size in SCALES
        for name, row in (record.get(f"steps_{size}") or {}).items()
    ]
    used = (record.get("used") or {}).get("share")
    rows.append(["model FLOP/s of the bfloat16 rate, 64 px, n = 128, lanes", said(used)])
    frechet = (record.get("frechet") or {}).get("ratio")
    rows.append(["whole Fréchet distance, of SciPy's time", said(frechet)])
    return "## On a GPU\n\n" + table(["what", "measured"], rows)


def _frechet(record: dict[str, Any] | None) -> str:
    """The distance under both allocators, and what no way around can spare."""
    if record is None:
        return ""
    rows = []
    for name, parts in record.items():
        if name in ("system", "worker"):
            trace, whole = parts["trace"], parts["whole"]
            rows.append([f"trace term; allocator: {name}", trace["scipy"], trace["eigenvalues"]])
            ours = whole["scipy"], whole["eigenvalues"]
            rows.append([f"whole; allocator: {name}", *ours])
            rows.append([f"floor; allocator: {name}", *(ratio / whole["floor"] for ratio in ours)])
    heads = ["Fréchet distance, from features", "of SciPy's time", "of the plain product's"]
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


def _levers(steps: dict[str, Any] | None, amx: bool) -> str:
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
        f"## Levers at {steps['size']} px, n = {steps['n']}{', with AMX' if amx else ''}\n\n"
        f"Rounds: {steps['rounds']}, of {steps['steps']} steps of each way.\n\n"
        + table(heads, rows)
    )


def _adopted(found: dict[str, Any]) -> str:
    if not any(found[scaled("steps", n, size)] for n, size in SCALES):
        return ""
    return (
        "Ours keeps the bits of the plain step in its own memory format: foreach Adam, unfilled "
        "memory and any allocator were adopted because they do. Fused Adam, D's passes joined in "
        "one batch, `torch.compile` and one z for both players give other bits (the last another "
        "method), so they are not the default. With AMX the convolutions are quick, and ELU takes "
        "a larger part: the row of ReLU says how much there is to gain."
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
    if any(_amx_ratio(found, n, size) is None for n, size in SCALES):
        lines.append(
            "- **bfloat16 on a processor with AMX**: none was at hand when these figures were made."
        )
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
    if not all(found[scaled("sweep", n, size)] for n, size in SCALES):
        lines.append(
            "- **The sweep as a whole on the CPU**: it needs an idle machine. The table composes "
            "it from the measured step: in whole rounds of as many processes as cores, against a "
            "textbook that gains nothing from further cores, up to one that gains all of them. "
            "`python -m performance.sweep` measures it."
        )
    tables = [
        found[scaled("steps", n, size, amx=amx)] for n, size in SCALES for amx in (False, True)
    ]
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
