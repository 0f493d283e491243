"""Whether a run's probe is what an evaluation asks for."""

from collections.abc import Mapping
from typing import Any

from benchmark.evaluation.settings import PROBE_VERSION, EvaluationSettings
from benchmark.runs.directory import RunDirectory


def is_probed(
    run: RunDirectory,
    settings: EvaluationSettings,
    versions: Mapping[str, str],
    networks: Mapping[str, str | None],
) -> bool:
    """Whether the last weights of a run were probed by all judges, in the versions in force.

    `versions` and `networks` are as in evaluations.pending.
    """
    found, result = run.probe(), run.result()
    if found is None or result is None or settings.probe is None:
        return False
    if found["version"] != PROBE_VERSION or found["weights_sha256"] != result.weights_sha256:
        return False
    judged_by = found["judged_by"]
    return (
        found["sizes"] == settings.probe.sizes()
        and set(settings.probe.attributes) <= set(found["asked_attributes"])
        and found["versions"] == dict(versions)
        and list(judged_by) == list(settings.judges)
        and all(
            _is_same(judged_by[name], judge.identity(), networks[name])
            for name, judge in settings.judges.items()
        )
    )


def _is_same(judged_by: Mapping[str, Any], settings: object, version: str | None) -> bool:
    """For one judge: its settings, and the version of its network, if declared."""
    same = judged_by["settings"] == settings
    return same and version in (None, judged_by["network"]["version"])
