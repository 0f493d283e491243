"""Checks of a sweep's data: present, the same as at the runs' start, and enough."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.ablation.plan import PlannedRun
from benchmark.classes import of_both
from benchmark.data.fitness import LEAST_JUDGED, too_few
from benchmark.data.photographs import Reading
from benchmark.data.settings import DataSettings, Split
from benchmark.data.source import FaceSource, open_source
from benchmark.data.store import FaceStore, open_store
from benchmark.data.survey import Track, untracked
from benchmark.errors import InputError
from benchmark.evaluation.settings import EvaluationSettings, JudgeSettings
from benchmark.methods import attributes

_NAMED = 3  # runs that a message names
Trained = Mapping[str, tuple[str, str]]  # run id -> title and fingerprint of its data
Sizes = Mapping[Split, int]
Labels = tuple[str, ...]


@dataclass(frozen=True)
class Reader:
    """Where data are, what is known about them, and how reading progress is shown."""

    data_root: Path | None
    cache: Path
    track: Track = untracked

    def source(self, data: DataSettings) -> FaceSource:
        return open_source(data, self.data_root, Reading(self.cache, self.track))

    def store(
        self, data: DataSettings, labels: Labels, asked: str = "method.attributes"
    ) -> FaceStore:
        return open_store(data, self.data_root, self.cache, labels, self.track, asked)


def refuse_other_data(
    planned: Sequence[PlannedRun],
    trained: Trained,
    reader: Reader,
    tabled: Collection[str] = (),
) -> None:
    """Raise InputError if one of the runs was trained on other data than the current ones.

    A cell's runs would otherwise mix two data sets. Files unchanged since their checksums were
    computed are not read again. `tabled`: those that the tables alone have, and that would be
    replaced there. Raises InputError, too, where the data are missing.
    """
    by_data: dict[str, list[PlannedRun]] = {}
    for each in planned:
        by_data.setdefault(each.spec.data.model_dump_json(), []).append(each)
    for runs in by_data.values():
        begun = [each for each in runs if each.run_id in trained]
        if not begun:
            continue
        source = reader.source(runs[0].spec.data)
        now = source.fingerprint()
        others = [each for each in begun if trained[each.run_id][1] != now]
        if others:
            title, then = trained[others[0].run_id]
            names = ", ".join(f"{each.label} ({each.run_id})" for each in others[:_NAMED])
            way_out = "give the same data or another --runs folder"
            if all(each.run_id in tabled for each in others):
                way_out = (
                    "the tables would mix both; give the same data, or tables of their own "
                    f"(--results out/{runs[0].spec.data.name}), or --replace to drop those"
                )
            raise InputError(
                f"{len(others)} of {len(runs)} runs were trained on {title} ({then[:12]}), but the "
                f"data here are {source.title} ({now[:12]}): {names}"
                f"{', ...' if len(others) > _NAMED else ''}; {way_out}"
            )


def open_stores(
    evaluation: EvaluationSettings, missing: Sequence[PlannedRun], reader: Reader
) -> list[tuple[DataSettings, FaceStore]]:
    """Prepare each data set once, before concurrent runs request it.

    Raises InputError where one has too few images for what is asked of it, or lacks an attribute.
    """
    stores: dict[str, tuple[DataSettings, FaceStore]] = {}
    for planned in missing:
        data, labels = planned.spec.data, attributes(planned.spec.method)
        for seen in (data, *(_compared(data, judge) for judge in evaluation.judges.values())):
            key = f"{seen.model_dump_json()}{labels}"
            if key not in stores:
                stores[key] = seen, reader.store(seen, labels)
                _refuse_unknown_attributes(evaluation, seen, reader)
    sizes = {}
    for seen, store in stores.values():
        sizes[seen.model_dump_json()] = {part: len(at) for part, at in store.splits.items()}
    refuse_too_few(evaluation, missing, sizes)
    _refuse_too_few_to_classify(evaluation, missing, reader)
    return [*stores.values()]


def _refuse_unknown_attributes(
    evaluation: EvaluationSettings, data: DataSettings, reader: Reader
) -> None:
    """Raise InputError where a judge or the probe is told an attribute that the data lack."""
    if evaluation.probe is not None and evaluation.probe.attributes:
        reader.store(data, evaluation.probe.attributes, "evaluation.probe.attributes")
    for name, judge in evaluation.judges.items():
        if judge.attribute is not None:
            reader.store(data, (judge.attribute,), f"evaluation.judges.{name}.attribute")


def _refuse_too_few_to_classify(
    evaluation: EvaluationSettings, missing: Sequence[PlannedRun], reader: Reader
) -> None:
    """Raise InputError where a classifier is to learn from more real images than there are, half of
    each class; or where the data lack its attribute."""
    settings = evaluation.classify
    if settings is None:
        return
    both = [of_both(each.spec, settings.attribute).data for each in missing]
    for data in {each.model_dump_json(): each for each in both}.values():
        store = reader.store(data, (settings.attribute,), "evaluation.classify.attribute")
        assert store.labels is not None
        having = int(store.labels[store.splits["train"], 0].sum())
        most = 2 * min(having, len(store.splits["train"]) - having)
        wanted = max((size for size in settings.real if isinstance(size, int)), default=0)
        if wanted > most:
            raise InputError(
                f"evaluation.classify.real: {wanted} is more than the {most} training images of "
                f"{store.title} of which half have {settings.attribute}; lower it"
            )


def _compared(data: DataSettings, judge: JudgeSettings) -> DataSettings:
    """What a judge compares the samples with."""
    view = judge.reference_view
    return data if view is None else data.model_copy(update={"view": view})


def refuse_too_few(
    evaluation: EvaluationSettings, missing: Sequence[PlannedRun], sizes: Mapping[str, Sizes]
) -> None:
    """Raise InputError, naming every setting at once, where a part has fewer images than are asked
    of it; `sizes` are by the data's JSON."""
    for planned in missing:
        training = planned.spec.training
        there = sizes[planned.spec.data.model_dump_json()]
        wrong: list[str] = []
        needed: dict[Split, int] = {"train": training.batch, "validation": 1, "test": 1}
        if there["train"] < training.batch:
            wrong.append(
                f"training.batch: {training.batch} is more than the training images "
                f"(at most {there['train']})"
            )
        for name, judge in evaluation.judges.items():
            compared = sizes.get(_compared(planned.spec.data, judge).model_dump_json(), there)
            counts: dict[Split, int] = {
                "train": there["train"],
                "validation": compared["validation"],
                judge.reference: compared[judge.reference],
            }
            lacking = [part for part, count in counts.items() if count < judge.samples]
            most = min(counts.values())
            if lacking:
                wrong.append(
                    f"evaluation.judges.{name}.samples: {judge.samples} is more than the images "
                    f"of {', '.join(lacking)}{f' (at most {most})' * (most >= LEAST_JUDGED)}"
                )
            for part in ("train", "validation", judge.reference):
                needed[part] = max(needed[part], judge.samples)
        if not wrong:
            continue
        raise InputError(_too_few(planned, there, wrong, needed))


def _too_few(planned: PlannedRun, there: Sizes, wrong: list[str], needed: dict[Split, int]) -> str:
    said = ", ".join(f"{count} {part}" for part, count in there.items())
    least: dict[Split, int] = {part: min(count, LEAST_JUDGED) for part, count in needed.items()}
    enough, fewest = too_few(there, needed), too_few(there, least)
    advice = f"about {enough} images in all would do"
    if fewest is None:
        advice = f"lower it, or {advice}"
    elif fewest != enough:
        advice += (
            f"; a judge takes no fewer than {LEAST_JUDGED} samples, for which {fewest} would do"
        )
    return f"{planned.label}: its data have too few images ({said}): {'; '.join(wrong)}; {advice}"
