"""Runs whose samples say who made them, and people's answers about them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmark.ablation.plan import Plan
from benchmark.evaluation.samples import save_grid
from benchmark.preference.page import Pair, page
from benchmark.results.tables import Tables
from tests.report.material import fill, plan


def painted(root: Path) -> Plan:
    """Two arms of two seeds; red is the arm, green the seed, blue the number of the sample."""
    made = plan()
    runs = [run for run in made.runs if run.spec.seed < 2]
    for planned in runs:
        run = fill(root, planned)
        images = torch.zeros(64, 3, 16, 16, dtype=torch.uint8)
        images[:, 0] = int(planned.cell == "EBGAN-PT")
        images[:, 1] = planned.spec.seed
        images[:, 2] = torch.arange(64, dtype=torch.uint8)[:, None, None]
        for grid in run.samples.glob("*.png"):
            save_grid(images, 8, grid)
    return replace(made, runs=tuple(runs))


def answers(
    tables: Tables, shown: Sequence[Pair], rater: str, choose: Callable[[Pair], str]
) -> dict[str, Any]:
    """As the page gives them to a person who chooses so."""
    text = page(tables, shown)
    content = text.partition('id="content">')[2].partition("</script>")[0]
    return {
        "page": json.loads(content)["page"],
        "rater": rater,
        "answers": [
            {
                **{"left": pair.left.name, "right": pair.right.name},
                **{"chosen": choose(pair), "seconds": 1.5},
            }
            for pair in shown
        ],
    }


def send(tables: Tables, file: dict[str, Any], name: str = "") -> Path:
    """Put a file of answers where the report finds it."""
    folder = tables.folder / "preference"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name or file.get('rater', 'somebody').lower()}.json"
    path.write_text(json.dumps(file))
    return path
