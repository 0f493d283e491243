"""Whether a run's probe is what an evaluation asks for."""

from collections.abc import Mapping

from benchmark.evaluation.settings import PROBE_VERSION, EvaluationSettings, JudgeSettings
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

    def is_same(name: str, judge: JudgeSettings) -> bool:
        network = judged_by[name]["network"]["version"]
        return judged_by[name]["settings"] == judge.identity() and networks[name] in (None, network)

    return (
        found["sizes"] == settings.probe.sizes()
        and set(settings.probe.attributes) <= set(found["asked_attributes"])
        and found["versions"] == dict(versions)
        and list(judged_by) == list(settings.judges)
        and all(is_same(name, judge) for name, judge in settings.judges.items())
    )
