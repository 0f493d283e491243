"""Of docs/performance.md: what a step has to do, what the processor can, what is in the way."""

from typing import Any

from performance.cells import NOT, table


def roofline(found: dict[str, Any]) -> str:
    """The section; nothing where no ceiling was measured. `found` holds the figures by name."""
    record = found["roofline"]
    if record is None:
        return ""
    best, rows = record["ceilings"], []
    for key, ways in record["work"].items():
        steps = (found[f"steps_{key.replace('@', '_')}"] or {"ways": {}})["ways"]
        for way, counted in ways.items():
            taken = next((steps[w]["seconds"] for w in steps if w.split("@")[0] == way), None)
            compute, move = counted["flop"] / best["matmul"], counted["bytes"] / best["copy"]
            rate = None if taken is None else counted["flop"] / taken / 1e9
            reached = (NOT, NOT) if rate is None else (f"{taken * 1e3:.0f}", f"{rate:.3g}")
            name, moved = f"{way}, {key.replace('@', ' at ')} px", counted["bytes"] / 1e9
            rows.append([name, counted["flop"] / 1e9, moved, compute * 1e3, move * 1e3, *reached])
    heads = ["step", "GFLOP", "GB moved", "ms at the product's rate", "ms at the copy's rate"]
    heads += ["ms taken", "GFLOP/s reached"]
    convolutions = "; ".join(
        f"{key.replace('@', ' channels at ')} px {each['forward'] / 1e9:.0f} forward, "
        f"{each['backward'] / 1e9:.0f} backward"
        for key, each in record["convolutions"].items()
    )
    return (
        "## The roofline\n\n"
        f"Ceilings of one thread, measured: matrix product {best['matmul'] / 1e9:.0f} GFLOP/s, "
        f"copy {best['copy'] / 1e9:.1f} GB/s. The networks' own convolutions, GFLOP/s: "
        f"{convolutions}. Bytes are counted as if no operation found its input in a cache.\n\n"
        + table(heads, rows)
        + "\n\n"
        + _in_the_way(found)
    )


def _in_the_way(found: dict[str, Any]) -> str:
    best, lines = found["roofline"]["ceilings"]["matmul"], []
    for key, ways in found["roofline"]["work"].items():
        operations = {way: each["flop"] / ways["textbook"]["flop"] for way, each in ways.items()}
        line = (
            f"{key.replace('@', ' channels at ')} px: {operations['ours']:.2f} of the textbook's "
            f"operations, {operations['ours+shared_z']:.2f} with one z"
        )
        if steps := found[f"steps_{key.replace('@', '_')}"]:
            textbook = steps["ways"]["textbook@system"]["seconds"]
            floor = ways["ours"]["flop"] / best / textbook
            line += f"; at the product's rate they would take {floor:.2f} of the textbook's time"
        lines.append(f"- {line}")
    return (
        "What is in the way of the wanted steps: the paper draws z twice, for D and for G, so the "
        "pass over D's fakes cannot serve G. What can be left out is the gradient of D's weights "
        "in G's pass, and no more:\n\n" + "\n".join(lines) + "\n\n"
        "Most of the rest is convolutions, and another order of their sums gives other bits, where "
        "a finished run must be repeatable. Small maps and few channels "
        "keep them below the ceiling, and between them lie activations and many short calls."
        + _shares(found["shares"])
    )


def _shares(record: dict[str, Any] | None) -> str:
    if record is None:
        return ""
    rows = [[f"`{key}`", value] for key, value in record["shares"].items()]
    where = f"Own time of operations in our step at {record['size']} px, n = {record['n']}:"
    return f"\n\n{where}\n\n" + table(["operation", "share"], rows)
