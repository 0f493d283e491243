"""How a number was obtained: data, view, crop, size, judge, counts, seeds and profile."""

from collections.abc import Callable, Sequence
from typing import Any

from benchmark.evaluation.settings import distance_title
from benchmark.markup import code, escaped
from benchmark.results.schema import AblationRecord, CellRecord, JudgeEntry, SetupRecord
from benchmark.text import counted


def made_of(record: AblationRecord, judges: Sequence[JudgeEntry] = ()) -> str:
    """What an ablation's numbers depend on, as in every caption; without a full stop.

    Some of the numbers are by `judges`, besides the headline judge.
    """
    names = ", and ".join(map(judge_name, (record.headline, *judges)))
    parts = (data_words(record), f"profile {record.profile}", names, training(record))
    demo = ". A demonstration that the harness works, no finding" * (not record.finding)
    return "; ".join(parts) + demo


def made_of_all(records: Sequence[AblationRecord]) -> str:
    """What numbers of several ablations depend on, apart from views, steps and seeds."""
    return each_once(*sources(records), [f"profile {record.profile}" for record in records])


def sources(records: Sequence[AblationRecord]) -> tuple[list[str], list[str]]:
    """The data sets with their resolution, and the headline judges, in the records' order."""
    setups = [setup for record in records for setup in record.setups]
    setups = [setup for setup in setups if setup.data.title] or setups  # preferably with runs
    return (
        [", ".join((setup_words(setup)[0], setup_words(setup)[-1])) for setup in setups],
        [judge_name(record.headline) for record in records],
    )


def each_once(*parts: Sequence[str]) -> str:
    """The parts of a caption, each without repetitions."""
    return "; ".join(" / ".join(dict.fromkeys(part)) for part in parts)


def data_words(record: AblationRecord) -> str:
    """The data sets with their view, crop and resolution; with their cells if they differ."""
    words = [setup_words(setup) for setup in record.setups]
    first, last = {each[0] for each in words}, {each[-1] for each in words}
    if len({*map(tuple, words)}) > 1 and len(first) == len(last) == 1:  # shared: stated once
        views = _by_cell(record, lambda cell: ", ".join(words[cell.setup][1:-1]))
        return f"{first.pop()}, {last.pop()}: {views}"
    return _by_cell(record, lambda cell: ", ".join(words[cell.setup]))


def subject(record: AblationRecord) -> str:
    """The word for what the images show, such as faces or digits."""
    words = dict.fromkeys(setup.data.subject for setup in record.setups if setup.data.subject)
    return escaped(" or ".join(words) or "images")


def distance_name(record: AblationRecord, judge: JudgeEntry) -> str:
    """What the judge's Fréchet distance is called; with the judge's name if features are shared."""
    shared = sum(each.features == judge.features for each in record.judges) > 1
    return distance_title(judge.features) + (f", judge {judge.name}" if shared else "")


def training(record: AblationRecord) -> str:
    """Steps, batch size and seeds, and the precision if it is not float32."""
    steps = _by_cell(record, lambda cell: str(cell.steps))
    batch = _by_cell(record, lambda cell: str(cell.batch))
    count = counted(len(record.seeds), "training seed")
    seeds = f"{count} ({', '.join(map(str, record.seeds))})"
    if record.registration and record.registration.lent:
        lent = counted(len(record.registration.lent), "run")
        seeds += f" and {lent} of identical cells in other ablations"
    key, default = "training.precision", "float32"
    shared = record.settings.get(key, default)
    used = _by_cell(record, lambda cell: str(cell.settings.get(key, shared)))
    precision = f" in {used}" if used != default else ""
    return f"{steps} steps of batch {batch}{precision}; {seeds}"


def setup_words(setup: SetupRecord) -> list[str]:
    """A data set, its view and crop, and its resolution last."""
    data, settings = setup.data, setup.data.settings
    parts = [escaped(data.title or "no run yet")]
    view = settings.get("view")
    if view is not None:
        parts += view_words(view)
    elif "crop" in settings:
        parts.append(f"crop {settings['crop']:g} of the shorter side")
    if settings.get("only"):
        parts.append(f"only {escaped(', '.join(settings['only']))}")
    if settings.get("mix"):
        parts.append(
            f"{escaped(settings['mix']['attribute'])} thinned to {settings['mix']['share']:g}"
        )
    if settings.get("resample", "bicubic") != "bicubic":
        parts.append(f"{settings['resample']} resizing")
    return [*parts, f"{settings['size']}x{settings['size']} px"]


def view_words(view: dict[str, Any]) -> list[str]:
    """A view and its crop or margin."""
    name = view["name"]
    words = f"{name} view"
    if name == "rotated":
        kind = "sd" if view.get("roll", "normal") == "normal" else "half-width"
        per_image = view.get("draw", "image") == "image"
        draw = "one roll per image" if per_image else "a new roll per visit"
        also = "".join(f", {key} sd {view[key]:g}" for key in ("shift", "scale") if view.get(key))
        words += f" ({view.get('roll', 'normal')} roll of {kind} {view['degrees']:g} degrees"
        words += f", {draw}{also})"
    if "by" in view:
        words += f" (by {view['by']}, margin {view.get('margin', 1.0):g})"
    return [words, *([f"crop {view['crop']} px"] if "crop" in view else [])]


def judge_name(judge: JudgeEntry) -> str:
    """The feature network, its weights' hash and the counts, in brief."""
    if judge.digest is None:
        return f"{judge.features}, not evaluated yet"
    weights, part = str(judge.network.get("weights_sha256"))[:12], judge.settings.reference
    return (
        f"{judge.features} (weights {weights}), {judge.samples} samples against {judge.samples}"
        f" {part} images{_view_and_attribute(judge)}"
    )


def judge_words(judge: JudgeEntry) -> str:
    """Everything that determines a judge's values for samples."""
    if judge.digest is None:
        return judge_name(judge)
    network = ", ".join(
        escaped(f"{key.replace('_', ' ')} {value}")
        for key, value in judge.network.items()
        if key not in ("name", "weights_sha256")
    )
    parameters = ", ".join(
        f"{key.replace('_', ' ')} {value[:12] if isinstance(value, str) else f'{value:.4g}'}"
        for key, value in judge.parameters.items()
    )
    by_metric = ", ".join(f"{name} {version}" for name, version in judge.versions.items())
    versions = {*judge.versions.values()}
    metrics = f"version {versions.pop()}" if len(versions) == 1 else by_metric
    return f"{judge_name(judge)} ({network}; {parameters}; metrics {metrics})"


def _view_and_attribute(judge: JudgeEntry) -> str:
    """The view of the real images, if it is not the one trained on, and the judge's attribute."""
    view, attribute = judge.settings.reference_view, judge.settings.attribute
    words = f" in another view ({', '.join(view_words(view.model_dump()))})" if view else ""
    return words + (f", attribute {escaped(attribute)}" if attribute else "")


def set_up(record: AblationRecord) -> str:
    """Everything that all runs of an ablation share, in one sentence."""
    methods = escaped(", ".join(dict.fromkeys(cell.method for cell in record.cells)))
    seen = [setup.data for setup in record.setups if setup.data.fingerprint]
    fingerprints = ", ".join(dict.fromkeys(str(data.fingerprint)[:12] for data in seen))
    broken = sum(data.broken for data in seen)
    left_out = f", {counted(broken, 'broken file')} left out" if broken else ""
    data = f" (fingerprint {fingerprints}{left_out})" if fingerprints else ""
    return (
        f"{methods} on {data_words(record)}{data}; {training(record)};"
        f" swept: {', '.join(map(code, record.swept))};"
        f" {' / '.join(map(judge_words, record.judges))};"
        f" collapsed if the spread is below {record.evaluation.collapse_below:g};"
        f" code {escaped(', '.join(record.commits)) or 'not run yet'};"
        f" device {escaped(', '.join(record.devices)) or 'none yet'};{_lanes(record)}"
        f" overrides: {', '.join(map(code, record.overrides)) or 'none'}."
    )


def _lanes(record: AblationRecord) -> str:
    if not record.lanes:
        return ""
    count, most = len(record.lanes), max(record.lanes.values())
    return f" {counted(count, 'run')} trained as lanes, up to {most} in one process;"


def _by_cell(record: AblationRecord, words: Callable[[CellRecord], str]) -> str:
    """The words of all cells: once if they are the same, else each with its cells."""
    cells: dict[str, list[str]] = {}
    for cell in record.cells:
        cells.setdefault(words(cell), []).append(cell.cell)
    if len(cells) == 1:
        return next(iter(cells))
    return " / ".join(f"{text} ({these(names, record)})" for text, names in cells.items())


def these(names: list[str], record: AblationRecord) -> str:
    """These cells' names, or "all but" the others if those are fewer."""
    others = [escaped(cell.cell) for cell in record.cells if cell.cell not in names]
    few = len(names) <= len(others)
    return ", ".join(map(escaped, names)) if few else f"all but {', '.join(others)}"
