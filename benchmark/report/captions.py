"""What made a number, in words: faces, view, crop, size, judge, counts, seeds, profile."""

from collections.abc import Sequence
from typing import Any

from benchmark.report.records import AblationRecord, SetupRecord


def made_of(record: AblationRecord) -> str:
    """What the numbers of an ablation depend on, as every caption says it; no full stop."""
    briefly = _by_cell(record, {at: judge_name(s) for at, s in enumerate(record.setups)})
    parts = (faces(record), f"profile {record.profile}", briefly, training(record))
    text = "; ".join(parts)
    if record.demonstration:
        text += ". A demonstration that the harness works: no finding"
    return text


def made_of_all(records: Sequence[AblationRecord]) -> str:
    """What numbers of several ablations depend on, their views, steps and seeds apart."""
    setups = [setup for record in records for setup in record.setups]
    parts = (
        [", ".join((face_words(setup)[0], face_words(setup)[-1])) for setup in setups],
        [judge_name(setup) for setup in setups],
        [f"profile {record.profile}" for record in records],
    )
    return "; ".join(" / ".join(dict.fromkeys(part)) for part in parts)


def faces(record: AblationRecord) -> str:
    """The data sets with their view, crop and resolution; with their cells where they differ."""
    words = [face_words(setup) for setup in record.setups]
    first, last = {each[0] for each in words}, {each[-1] for each in words}
    if len({*map(tuple, words)}) > 1 and len(first) == len(last) == 1:  # these are said once
        views = {at: ", ".join(each[1:-1]) for at, each in enumerate(words)}
        return f"{first.pop()}, {last.pop()}: {_by_cell(record, views)}"
    return _by_cell(record, {at: ", ".join(each) for at, each in enumerate(words)})


def judges(record: AblationRecord) -> str:
    """The extractors, their weights and the sample counts."""
    return _by_cell(record, {at: judge_words(s) for at, s in enumerate(record.setups)})


def training(record: AblationRecord) -> str:
    """Steps, batch, seeds, and the precision of networks that did not train in float32."""
    steps = _one_or_each(record, {cell.cell: f"{cell.steps}" for cell in record.cells})
    batch = _one_or_each(record, {cell.cell: f"{cell.batch}" for cell in record.cells})
    count = len(record.seeds)
    seeds = f"{count} training seed{'s' * (count != 1)} ({', '.join(map(str, record.seeds))})"
    return f"{steps} steps of batch {batch}{_precision(record)}; {seeds}"


def _precision(record: AblationRecord) -> str:
    """Nothing where every run trained in float32."""
    key = "training.precision"
    shared = record.settings.get(key, "float32")
    found = {cell.cell: cell.settings.get(key, shared) for cell in record.cells}
    return f" in {_one_or_each(record, found)}" if {*found.values()} != {"float32"} else ""


def face_words(setup: SetupRecord) -> list[str]:
    """One data set, its view and crop, and last its resolution."""
    data, settings = setup.data, setup.data.settings
    parts = [data.title or "data not opened yet"]
    view = settings.get("view")
    if view is not None:
        parts += view_words(view)
    elif "crop" in settings:
        parts.append(f"crop {settings['crop']:g} of the shorter side")
    if settings.get("only"):
        parts.append(f"only {', '.join(settings['only'])}")
    if settings.get("mix"):
        parts.append(f"{settings['mix']['attribute']} thinned to {settings['mix']['share']:g}")
    if settings.get("resample", "bicubic") != "bicubic":
        parts.append(f"{settings['resample']} resizing")
    return [*parts, f"{settings['size']}x{settings['size']} px"]


def view_words(view: dict[str, Any]) -> list[str]:
    """A view and its crop or margin."""
    name = view["name"]
    words = f"{name} view"
    if name == "rotated":
        kind = "sd" if view.get("roll", "normal") == "normal" else "half-width"
        draw = "one roll an image" if view.get("draw", "image") == "image" else "a roll a visit"
        also = "".join(f", {key} sd {view[key]:g}" for key in ("shift", "scale") if view.get(key))
        words += f" ({view.get('roll', 'normal')} roll of {kind} {view['degrees']:g} degrees"
        words += f", {draw}{also})"
    if "by" in view:
        words += f" (by {view['by']}, margin {view.get('margin', 1.0):g})"
    return [words, *([f"crop {view['crop']} px"] if "crop" in view else [])]


def judge_name(setup: SetupRecord) -> str:
    """The extractor, its weights' hash and the counts, in short."""
    by = setup.evaluation
    if by is None:
        return "not evaluated yet"
    return (
        f"{by.features} (weights {by.weights_sha256[:12]}), {by.samples} samples against"
        f" {by.samples} {by.reference} images{_seen(setup)}"
    )


def judge_words(setup: SetupRecord) -> str:
    """All that decides what a judge says of samples."""
    by = setup.evaluation
    if by is None:
        return "not evaluated yet"
    below = f", collapsed below a spread of {by.collapse_below:g}" if by.collapse_below else ""
    return (
        f"features of {by.features} version {by.features_version} at {by.input_size} px (weights"
        f" {by.weights_sha256[:12]}), {by.samples} samples against {by.samples} images of the"
        f" {by.reference} part{_seen(setup)}, KID over {by.kid_subsets} subsets of"
        f" {by.kid_subset_size}, {by.precision_recall_neighbours} neighbours for precision and"
        f" recall, {by.density_coverage_neighbours} for density and coverage, metrics version"
        f" {by.fidelity_version}{below}"
    )


def _seen(setup: SetupRecord) -> str:
    """The view of the images compared with, where it is not the one trained on."""
    view = setup.reference_view
    return f" in another view ({', '.join(view_words(view))})" if view else ""


def set_up(record: AblationRecord) -> str:
    """Everything shared, in one paragraph."""
    methods = ", ".join(dict.fromkeys(cell.method for cell in record.cells))
    prints = [setup.data for setup in record.setups if setup.data.fingerprint]
    found = ", ".join(dict.fromkeys(str(data.fingerprint)[:12] for data in prints))
    broken = sum(data.broken for data in prints)
    data = f" (fingerprint {found}" if found else ""
    data += f", {broken} broken files left out" if broken else ""
    data += ")" if found else ""
    return (
        f"{methods} on {faces(record)}{data}; {training(record)};"
        f" swept: {', '.join(f'`{key}`' for key in record.swept)}; {judges(record)};"
        f" code {', '.join(record.commits) or 'not run yet'};"
        f" device {', '.join(record.devices) or 'none yet'};{_lanes(record)}"
        f" overrides: {', '.join(f'`{o}`' for o in record.overrides) or 'none'}."
    )


def _lanes(record: AblationRecord) -> str:
    """How many runs were trained beside others in one process; nothing where none was."""
    if not record.lanes:
        return ""
    count, most = len(record.lanes), max(record.lanes.values())
    return f" {count} run{'s' * (count != 1)} trained as lanes, up to {most} in one process;"


def _by_cell(record: AblationRecord, words: dict[int, str]) -> str:
    """The words of all set-ups: once where they are the same, else each with its cells."""
    return _one_or_each(record, {cell.cell: words[cell.setup] for cell in record.cells})


def _one_or_each(record: AblationRecord, words: dict[str, str]) -> str:
    cells: dict[str, list[str]] = {}
    for cell in record.cells:
        cells.setdefault(words[cell.cell], []).append(cell.cell)
    if len(cells) == 1:
        return next(iter(cells))
    return " / ".join(f"{text} ({_these(names, record)})" for text, names in cells.items())


def _these(names: list[str], record: AblationRecord) -> str:
    """Cells by name, or by those that are missing where these are fewer."""
    others = [cell.cell for cell in record.cells if cell.cell not in names]
    return ", ".join(names) if len(names) <= len(others) else f"all but {', '.join(others)}"
