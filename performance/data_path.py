"""What preparing and reading a store costs, measured on real faces, as a Markdown table.

    python performance/data_path.py --data-root DIR > performance/data_path.md

Every view is prepared in a process of its own, into a cache that is thrown away. Other processes
may load the machine: processor seconds are the figure to trust, wall seconds are given beside
them. CelebA's figures are extrapolated in proportion to the images, its index's memory is measured
on made-up tables of its length.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.celeba.layout import LANDMARKS_WILD, PARTITION, WILD
from benchmark.data.settings import CelebASettings
from benchmark.data.sheet import parse_view
from benchmark.data.source import open_source
from benchmark.data.store import open_store

VIEWS = ("aligned", "rotated:degrees=20", "wild", "rotated:degrees=20,draw=visit")
TRAINING, ALL, SIZE, BATCH = 162_770, 202_599, 64, 16
LIMITS = {"prepare_s": 240.0, "disk_gb": 2.1, "memory_mb": 300.0, "batch_ms": 0.2}


def _clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(start: tuple[float, float]) -> tuple[float, float]:
    return time.perf_counter() - start[0], time.process_time() - start[1]


def _peak_mb() -> float:
    """The process's peak resident memory, without what its parent had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no VmHWM in /proc/self/status: this benchmark needs Linux")


def measure_view(view: str, data_root: Path) -> dict[str, Any]:
    """One view: fingerprint, preparation, disk, memory and batches."""
    settings = CelebASettings(name="celeba", view=parse_view(view), size=SIZE)
    start = _clock()
    source = open_source(settings, data_root)
    source.fingerprint()
    fingerprint = _since(start)
    with tempfile.TemporaryDirectory() as cache:
        start = _clock()
        store = open_store(settings, data_root, Path(cache))
        both = _since(start)
        peak = _peak_mb()
        files = Path(cache).rglob("*")
        disk = sum(path.stat().st_size for path in files if path.is_file())
        batch = _batch_ms(store)
        return {
            "view": view,
            "images": len(store.images),
            "broken": len(store.broken),
            "title": store.title,
            "fingerprint": fingerprint,
            # open_store makes the fingerprint too.
            "prepare": (both[0] - fingerprint[0], both[1] - fingerprint[1]),
            "disk": disk,
            "peak_mb": peak,
            "batch_ms": batch,
        }


def _batch_ms(store: Any) -> dict[str, float]:
    """The median and the processor's mean time of a random batch."""
    generator, walls = np.random.default_rng(0), []
    positions = generator.integers(0, len(store.images), (300, BATCH))
    for step in range(20):  # the pages of a store that was just written are in memory
        store.batch(positions[step], 0, step)
    cpu = time.process_time()
    for step, at in enumerate(positions):
        start = time.perf_counter()
        store.batch(at, 0, step)
        walls.append(time.perf_counter() - start)
    used = (time.process_time() - cpu) / len(positions)
    return {"wall_median": float(np.median(walls)) * 1e3, "cpu_mean": used * 1e3}


def measure_index(rows: int) -> dict[str, Any]:
    """Memory of the wild view's index of that many images, whose files are not there."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / WILD).mkdir()
        names = [f"{i:06d}.jpg" for i in range(1, rows + 1)]
        (root / PARTITION).write_text("".join(f"{name} {i % 3}\n" for i, name in enumerate(names)))
        marks = "165 184 244 176 196 249 194 271 266 260"
        head = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y "
        head += "leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
        lines = "".join(f"{name} {marks}\n" for name in names)
        (root / LANDMARKS_WILD).write_text(f"{rows}\n{head}\n{lines}")
        del names, lines
        code = (
            "import sys; sys.path[:0] = sys.argv[2:];"
            "from pathlib import Path;"
            "from performance.data_path import *; from performance.data_path import _peak_mb;"
            "open_source(CelebASettings(name='celeba', view=parse_view('wild'), size=SIZE),"
            " Path(sys.argv[1])); print(_peak_mb())"
        )
        here = str(Path(__file__).parents[1])
        command = [sys.executable, "-c", code, str(root), here]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return {"rows": rows, "peak_mb": float(done.stdout)}


def _table(found: list[dict[str, Any]], small: dict[str, Any], large: dict[str, Any]) -> str:
    heads = [
        "view",
        "images",
        "fingerprint CPU s (wall)",
        "prepare CPU s (wall)",
        "images per CPU s",
    ]
    heads += ["MB on disk", "peak MB", f"batch of {BATCH}: CPU ms (wall)"]
    heads += [f"{TRAINING:,}: CPU s", "on 2 cores, s", "GB on disk", "peak MB there"]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for row in found:
        scale, cpu = TRAINING / row["images"], row["fingerprint"][1] + row["prepare"][1]
        cells = [
            f"`{row['view']}`",
            f"{row['images']:,}",
            f"{row['fingerprint'][1]:.1f} ({row['fingerprint'][0]:.1f})",
            f"{row['prepare'][1]:.1f} ({row['prepare'][0]:.1f})",
            f"{row['images'] / row['prepare'][1]:.0f}",
            f"{row['disk'] / 1e6:.0f}",
            f"{row['peak_mb']:.0f}",
            f"{row['batch_ms']['cpu_mean']:.3f} ({row['batch_ms']['wall_median']:.3f})",
            f"{cpu * scale:.0f}",
            f"{_on_two_cores(row):.0f}",
            f"{row['disk'] * scale / 1e9:.2f}",
            f"{row['peak_mb'] + large['peak_mb'] - small['peak_mb']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure every view and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--view", help="Measure this one and print JSON.")
    arguments = parser.parse_args()
    if arguments.view:
        print(json.dumps(measure_view(arguments.view, arguments.data_root)))
        return
    loads, found = [os.getloadavg()[0]], []
    for view in VIEWS:
        command = [
            sys.executable,
            __file__,
            "--data-root",
            str(arguments.data_root),
            "--view",
            view,
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout))
        loads.append(os.getloadavg()[0])
    small, large = measure_index(found[0]["images"]), measure_index(ALL)
    print("# The data path\n")
    print(
        f"Made by `python performance/data_path.py`. {found[0]['title']}, {SIZE} px; Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, load {min(loads):.0f} to "
        f"{max(loads):.0f} from other processes, so trust processor seconds, not wall seconds. "
        f"Extrapolated: {TRAINING:,} images in proportion; time on 2 cores is half the processor "
        "seconds, fingerprint and preparation together; the peak adds what the index of CelebA's "
        f"{ALL:,} rows takes beyond that of {small['rows']:,} (measured: {large['peak_mb']:.0f} "
        f"against {small['peak_mb']:.0f} MB).\n"
    )
    print(_table(found, small, large))
    slow = [row["view"] for row in found if _on_two_cores(row) > LIMITS["prepare_s"]]
    print(
        f"\nWanted of a view that is drawn once: under {LIMITS['prepare_s']:.0f} s, "
        f"{LIMITS['disk_gb']} GB, {LIMITS['memory_mb']:.0f} MB and {LIMITS['batch_ms']} ms. "
        f"Slower to prepare than that: {', '.join(slow) or 'none'}. "
        "`draw=visit` keeps canvases as fine as the photographs and turns them when a batch is "
        "made: that is what it costs."
    )


def _on_two_cores(row: dict[str, Any]) -> float:
    cpu: float = row["fingerprint"][1] + row["prepare"][1]
    return cpu * TRAINING / row["images"] / 2


if __name__ == "__main__":
    main()
