"""A report without how long things took, which no two trainings of a run have in common."""

import re
from pathlib import Path

TIMES = {"minutes", "core-minutes"}  # columns
HOURS = re.compile(r"[\d.e+-]+ (core-hours of processor time|hours of runs)")


def timeless(folder: Path) -> str:
    """REPORT.md in a folder and its pages of details, with those columns and sums emptied."""
    pages = [folder / "REPORT.md", *sorted(folder.glob("results/*/*/details.md"))]
    assert len(pages) > 1
    return "\n".join(_emptied(page.read_text()) for page in pages)


def _emptied(report: str) -> str:
    lines: list[str] = []
    hidden: set[int] = set()
    inside = False
    for line in report.splitlines():
        if not line.startswith("|"):
            inside = False
            lines.append(HOURS.sub(r"\1", line))
            continue
        cells = [re.sub(r"^:?-+:?$", "-", cell.strip()) for cell in line.split("|")]
        if not inside:
            inside, hidden = True, {at for at, cell in enumerate(cells) if cell in TIMES}
        lines.append("|".join("" if at in hidden else cell for at, cell in enumerate(cells)))
    return "\n".join(lines)
