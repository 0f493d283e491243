"""Two directories of one run, compared step by step: metrics, sample grids, weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file

from benchmark.files import sha256
from benchmark.runs import digests
from benchmark.runs.directory import Row, RunDirectory
from benchmark.runs.evaluations import Evaluations
from benchmark.runs.weights import listed

Key = tuple[int, str, int]  # of a row: its step, its kind or judge, and its draw
Rows = Mapping[Key, Mapping[str, float]]


@dataclass
class Comparison:
    """What was compared up to step `last`, and where the two diverge."""

    last: int
    tolerance: float  # 0: the same bits
    rows: int = 0
    grids: int = 0
    weights: int = 0  # checkpoints and snapshots
    bits: bool = True  # whether all that was compared has the same bits
    worst: float = 0.0  # the largest difference in units of max(1, |value|)
    # Differences beyond the tolerance, by step.
    parted: dict[int, list[str]] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        return not self.parted

    @property
    def caveat(self) -> str | None:
        """A caveat if too little was compared."""
        if self.rows > 1:
            return None
        rows = "only one row was" if self.rows else "no row was"
        return f"{rows} compared, up to step {self.last}; more --steps compare more"

    def saw(self, step: int, what: str, deviation: float) -> None:
        """Count a difference; `deviation` is infinite if its size is undefined."""
        self.bits = False
        if deviation > self.tolerance:
            self.parted.setdefault(step, []).append(what)
        else:
            self.worst = max(self.worst, deviation)

    def saw_hash(self, step: int, what: str) -> None:
        """Count a difference of hashes, which cannot tell how far apart the weights are."""
        self.bits = False
        if self.tolerance == 0:
            self.saw(step, what, np.inf)

    def __str__(self) -> str:
        compared = f"{self.rows} rows, {self.grids} grids, weights at {self.weights} steps"
        if self.bits:
            return f"identical to step {self.last}: {compared}"
        if self.same:
            return (
                f"the same within {self.tolerance:g} to step {self.last} "
                f"(largest difference {self.worst:.3g}): {compared}"
            )
        step = min(self.parted)
        return f"differs first at step {step}: {'; '.join(self.parted[step])} (of {compared})"


def compare(run: RunDirectory, again: RunDirectory, last: int, tolerance: float) -> Comparison:
    """Everything that both runs have kept of the steps up to `last`, and what only one has.

    The time of a row is left out: nothing else in a run depends on the clock.
    """
    found = Comparison(last, tolerance)
    compare_rows(by_key(run.rows(), last), by_key(again.rows(), last), found)
    compare_evaluations(evaluated(run, last), evaluated(again, last), found)
    _compare_grids(run, again, found)
    _compare_digests(run, again, found)
    _compare_snapshots(run, again, found)
    _compare_last_weights(run, again, found)
    return found


def compare_rows(then: Rows, now: Rows, found: Comparison) -> None:
    """Every value of every row, and what only one has."""
    found.rows += len(then)
    for key in sorted({*then, *now}):
        step, kind, _ = key
        a, b = then.get(key), now.get(key)
        if a is None or b is None:
            found.saw(step, f"{kind} row only {'now' if a is None else 'then'}", np.inf)
            continue
        for column in sorted({*a, *b}):
            x, y = a.get(column), b.get(column)
            if x is None or y is None:
                found.saw(step, f"{kind} {column} only {'now' if x is None else 'then'}", np.inf)
            elif x != y:
                deviation = abs(x - y) / max(1.0, abs(x), abs(y))
                found.saw(step, f"{kind} {column} {x!r} then, {y!r} now", deviation)


def by_key(rows: list[Row], last: int) -> dict[Key, dict[str, float]]:
    """The values of the rows up to step `last`."""
    return {(row.step, row.kind, 0): row.values for row in rows if row.step <= last}


def evaluated(run: RunDirectory, last: int) -> dict[Key, dict[str, float]]:
    """What every judge said of the snapshots up to step `last`."""
    return {
        (row.step, each.path.stem, row.draw): row.values
        for each in Evaluations.all(run.path)
        for row in each.rows()
        if row.step <= last
    }


def compare_evaluations(then: Rows, now: Rows, found: Comparison) -> None:
    """What both have been judged by; a run may have been judged further after its training."""
    both = then.keys() & now.keys()
    compare_rows(
        {key: then[key] for key in both},
        {key: {name: now[key][name] for name in then[key] if name in now[key]} for key in both},
        found,
    )


def _compare_grids(run: RunDirectory, again: RunDirectory, found: Comparison) -> None:
    then, now = ({p.name: p for p in each.samples.glob("[0-9]*.png")} for each in (run, again))
    for name in sorted({*then, *now}):
        step = int(Path(name).stem)
        if step > found.last:
            continue
        found.grids += 1
        if name not in then or name not in now:
            found.saw(step, f"samples only {'then' if name in then else 'now'}", np.inf)
        elif sha256(then[name]) != sha256(now[name]):
            compare_pixels(step, then[name], now[name], found)


def compare_pixels(
    step: int, then: Path | IO[bytes], now: Path | IO[bytes], found: Comparison
) -> None:
    """Two grids by their mean absolute difference, 1 being black against white."""
    a, b = map(_pixels, (then, now))
    deviation = float(np.abs(a - b).mean() / 255) if a.shape == b.shape else np.inf
    if deviation > 0:  # else only the encoder differs
        found.saw(step, f"samples differ by {255 * deviation:.3g} levels", deviation)


def _pixels(file: Path | IO[bytes]) -> NDArray[np.float64]:
    with Image.open(file) as image:
        return np.asarray(image, dtype=np.float64)


def _compare_digests(run: RunDirectory, again: RunDirectory, found: Comparison) -> None:
    """Weights at every step where both have digests, as a run that is stopped has one more."""
    then, now = (
        {each.step: each.tensors for each in digests.read(folder.checkpoints)}
        for folder in (run, again)
    )
    for step in sorted({*then} & {*now}):
        if step > found.last:
            continue
        found.weights += 1
        for name in then[step]:
            if then[step][name] != now[step].get(name):
                found.saw_hash(step, f"digest of tensor {name}")
                break


def _compare_snapshots(run: RunDirectory, again: RunDirectory, found: Comparison) -> None:
    """The generator's weights at every step where both have kept them."""
    then, now = ({path.name[:8]: path for path in listed(each.snapshots)} for each in (run, again))
    for step in sorted(then.keys() & now.keys()):
        if int(step) <= found.last:
            found.weights += 1
            if then[step].name != now[step].name:
                found.saw_hash(int(step), "the generator's weights")


def _compare_last_weights(run: RunDirectory, again: RunDirectory, found: Comparison) -> None:
    """The tensors themselves, where both have kept the checkpoint of the same last step."""
    paths = [path for each in (run, again) for path in listed(each.checkpoints)[-1:]]
    steps = {int(path.name[:8]) for path in paths}
    if len(paths) != 2 or len(steps) != 1 or max(steps) > found.last:
        return
    step = steps.pop()
    order = [name for each in digests.read(run.checkpoints) for name in each.tensors]
    if not order:
        found.weights += 1
    then, now = map(load_file, paths)
    for name in sorted({*then, *now} - {"progress"}, key=lambda name: _rank(name, order)):
        a, b = then.get(name), now.get(name)
        if a is None or b is None or a.shape != b.shape:
            found.saw(step, f"tensor {name} only {'now' if a is None else 'then'}", np.inf)
        elif a.tobytes() != b.tobytes():
            a, b = a.astype(np.float64), b.astype(np.float64)
            other = (a != b) & ~(np.isnan(a) & np.isnan(b))
            gap = float(np.abs(a[other] - b[other]).max(initial=0.0))
            size = float(np.abs(a[np.isfinite(a)]).max(initial=1.0))
            deviation = gap / size if np.isfinite(gap) else np.inf  # of a run that failed
            found.saw(step, f"tensor {name} differs by {gap:.3g}", deviation)
            if found.tolerance == 0:
                return  # the first is enough


def _rank(name: str, order: list[str]) -> tuple[int, str]:
    """Weights in the order of the method, then the optimisers' tensors."""
    plain = name.removeprefix("method/")
    return (order.index(plain) if plain in order else len(order), name)
