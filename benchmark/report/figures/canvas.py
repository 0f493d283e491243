"""What all charts share: the canvas, its bytes, and how cells are told apart."""

import io
import unicodedata
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import cycle, islice, pairwise
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter
from PIL import Image

from benchmark.text import shortened, single_line

# Okabe and Ito's colours without the yellow, which is too light for thin lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
# Beyond this ratio of the largest to the least value, a linear axis would hide the curves' ends.
LOG_RATIO = 10.0
WIDTH, DPI = 9.0, 200
GAP = 8  # least pixels between two numbers on an axis
LEAST_SHARE = 0.05  # least share of a common axis: a panel that spans less of it shows nothing
# Keyword arguments of a line or of its markers.
Style: TypeAlias = dict[str, Any]
BOX: Style = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}


@contextmanager
def defaults() -> Iterator[None]:
    """Draw with matplotlib's own settings: text.usetex in a matplotlibrc would need LaTeX."""
    with mpl.rc_context():
        mpl.rcdefaults()
        yield


def grid(panels: int, height: float, columns: int = 2) -> tuple[Figure, list[Axes]]:
    """A figure 1800 px wide, to be read at 900, with this many panels of `height` inches."""
    rows = -(-panels // columns)
    figure = Figure(figsize=(WIDTH, rows * height), dpi=DPI, layout="constrained")
    return figure, split(figure, panels, columns)


def split(figure: FigureBase, panels: int, columns: int) -> list[Axes]:
    """This many panels, row by row; the rest of the last row stays empty."""
    axes = list(figure.subplots(-(-panels // columns), columns, squeeze=False).flat)
    for empty in axes[panels:]:
        empty.set_axis_off()
    return axes[:panels]


def label(text: str, most: int = 40) -> str:
    """Any text made ready for matplotlib: on one line, shortened, and never read as mathematics.

    A character that the font lacks becomes its number, as in U+1F600.
    """
    line = "".join(each if ord(each) in _glyphs() else _number(each) for each in single_line(text))
    line = shortened(line, most).replace("$", r"\$")
    return f" {line}" if line.startswith("_") else line  # legends omit labels that begin with _


@cache
def _glyphs() -> Container[int]:
    return get_font(findfont(FontProperties())).get_charmap().keys()


def _number(character: str) -> str:
    """The character's number; empty for combining ones and others without a shape of their own."""
    shapeless = unicodedata.category(character) in ("Cf", "Mn")
    return "" if shapeless else f"U+{ord(character):04X}"


def png(figure: Figure) -> bytes:
    """The figure in 256 colours: a third of the size, and the same bytes each time."""
    return _encoded(_drawn(figure))


def _drawn(figure: Figure) -> FigureCanvasAgg:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return canvas


def _encoded(canvas: FigureCanvasAgg) -> bytes:
    # Without transparency, so that nothing shows through.
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    file = io.BytesIO()
    small = Image.fromarray(np.ascontiguousarray(pixels)).quantize(256, dither=Image.Dither.NONE)
    small.save(file, format="PNG", optimize=True)
    return file.getvalue()


def legend(figure: Figure, handles: Sequence[Line2D], columns: int, fontsize: int = 9) -> None:
    """Add a legend below all panels, with at most this many entries side by side."""
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, fontsize=fontsize, frameon=False
    )


def untangled(figure: Figure, axes: Sequence[Axes]) -> bytes:
    """The figure, with fewer numbers below every panel in which they would overlap."""
    canvas = _drawn(figure)
    for most in (5, 4, 3, 2):
        crowded = [each.xaxis for each in axes if is_crowded(each)]
        if not crowded:
            break
        for axis in crowded:
            if axis.get_scale() == "log":
                axis.set_minor_formatter(NullFormatter())
            else:
                axis.set_major_locator(MaxNLocator(most))
        canvas = _drawn(figure)
    return _encoded(canvas)


def is_crowded(panel: Axes) -> bool:
    """Whether numbers below a drawn panel overlap, or leave no gap."""
    axis, (low, high) = panel.xaxis, sorted(panel.get_xlim())
    shown = [
        tick.label1
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        if low <= tick.get_loc() <= high and tick.label1.get_visible()
    ]
    boxes = sorted(
        (each.get_window_extent() for each in shown if each.get_text()), key=lambda b: b.x0
    )
    return any(right.x0 < left.x1 + GAP for left, right in pairwise(boxes))


def any_flat(panels: Iterable["pd.Series[float]"]) -> bool:
    """Whether a panel with values would be flattened to a mere line on a common axis."""
    low, high = np.array([values.agg(["min", "max"]) for values in panels]).T
    if np.isnan(high - low).all():
        return False
    return bool(np.nanmin(high - low) < LEAST_SHARE * (np.nanmax(high) - np.nanmin(low)))


def styles(count: int) -> list[Style]:
    """Styles of colour, dash and marker, all different; no meaning depends on colour alone."""
    looks = zip(cycle(COLOURS), cycle(DASHES), cycle(MARKERS), strict=False)
    return [{"color": c, "linestyle": d, "marker": m} for c, d, m in islice(looks, count)]


def is_log(values: pd.Series) -> bool:
    """Whether positive values span so much that a logarithmic axis shows them better."""
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and finite.min() > 0 and finite.max() > LOG_RATIO * finite.min()
