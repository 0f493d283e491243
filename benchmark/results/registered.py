"""Which runs came after their ablation's registration, according to the Git history."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from benchmark.ablation.plan import Plan
from benchmark.ablation.registration import (
    Registration,
    claim_digest,
    differences,
    parse,
    path_of,
    read,
)
from benchmark.ablation.tuning import tuned_cell
from benchmark.errors import InputError
from benchmark.git import Version, ask, is_ancestor, top, versions
from benchmark.results.schema import RegistrationRecord
from benchmark.results.source import Source, commit

PACKAGE = Path(__file__).parents[1]
CHANGED_CODE = "+"
"""Marks in a run's commit: the code differed from the commit, or there was no commit."""


def registration_record(
    plan: Plan, found: Sequence[Source], searched: Sequence[Source] = ()
) -> RegistrationRecord | None:
    """The entry in ablation.json on a plan's registration; None without a file or a checkout.

    `found` are the plan's runs, `searched` those by which its arms were tuned: a winner's runs
    count as registered only if all of these do too. Raises InputError where the file is damaged.
    """
    path, now = path_of(plan), read(plan)
    root = top(path.parent) if path is not None and now is not None else None
    if path is None or now is None or root is None:
        return None
    path = path.resolve()
    history = _statements(path, now)
    first = None  # of the commits since which the file has said what it says now
    for version, said in reversed(history):
        if said is None or differences(said, now):
            break
        first = version
    since = first.commit if first else None
    tuned = _tuned(plan, now)
    late = _unregistered(path.parent, since, [*found, *searched])
    for arm, ids in now.search.items():
        late += tuned.get(tuned_cell(arm), []) if set(ids) & set(late) else []
    return RegistrationRecord(
        path=path.relative_to(root.resolve()).as_posix(),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        commit=first.commit if first else None,
        time=first.time if first else None,
        rules=now.rules,
        alpha=now.alpha,
        looks=now.looks,
        seeds=now.seeds,
        pool=now.pool,
        evaluation=now.evaluation,
        claims={claim.id: claim_digest(claim) for claim in now.claims},
        runs={**now.runs, **tuned},
        lent=[each.planned.run_id for each in found if each.planned.spec.seed not in plan.seeds],
        amended=list(_amendments(history, now)),
        unregistered=list(dict.fromkeys(late)),
    )


def _tuned(plan: Plan, now: Registration) -> dict[str, list[str]]:
    """By tuned cell, its runs, if the search that chose them is the registered one."""
    found: dict[str, list[str]] = {}
    drawn = plan.tuning.arms if plan.tuning else {}
    for arm, ids in now.search.items():
        if [each.search.run_id for each in drawn.get(arm, ())] == ids:
            cell = tuned_cell(arm)
            found[cell] = [each.run_id for each in plan.runs if each.cell == cell]
    return found


def obstacle(plan: Plan, code: Path = PACKAGE) -> str:
    """Why claims would be exploratory if their runs began now; empty if there is no reason.

    Raises InputError where the registration is damaged.
    """
    found = registration_record(plan, ())
    if found is None:
        return ""
    if found.commit is None:
        return "the registration is not committed"
    if not is_ancestor(code, found.commit, "HEAD"):
        return "the code's history does not have the registration"
    unchanged = ask(code, "diff", "--quiet", "HEAD", "--", ".") is not None
    return "" if unchanged else "the code has changes that are not committed"


Statement = tuple[Version, Registration | None]
"""A commit of the file and its content; None if this version of bench cannot read it."""


def _statements(path: Path, now: Registration) -> list[Statement]:
    """Every commit of the file, oldest first.

    Git treats a file copied from another ablation's as a rename: that one is left out.
    """
    found: list[Statement] = []
    for version in versions(path):
        try:
            said = parse(version.content, path)
        except InputError:
            found.append((version, None))
            continue
        if (said.ablation, said.profile) == (now.ablation, now.profile):
            found.append((version, said))
    return found


def _amendments(history: Sequence[Statement], now: Registration) -> Iterator[str]:
    """The changes from each version to the next, and to the current file."""
    all_said = [*(said or now for _, said in history), now]
    for (version, said), later in zip(history, all_said[1:], strict=True):
        made = f"{version.commit[:12]} of {version.time[:10]}"
        if said is None:
            yield f"What {made} said cannot be read by this version of bench."
        elif changes := differences(said, later):
            yield f"What {made} said was amended: {changes}."


def _unregistered(folder: Path, since: str | None, found: Sequence[Source]) -> list[str]:
    @cache
    def is_after(code: str) -> bool:
        known = since is not None and code != "" and CHANGED_CODE not in code
        return known and is_ancestor(folder, since or "", code)

    late = []
    for each in found:
        if each.recorded is not None:
            codes = [each.commit or ""]
            old = each.recorded.record.registration
            # If its folder was available, all of its starts were known.
            doubted = (
                old is not None and old.commit == since and each.run.run_id in old.unregistered
            )
        else:
            codes, doubted = [commit(start) for start in each.starts], False
            if not codes and (each.rows or each.result):
                codes = [""]
        if doubted or not all(map(is_after, codes)):
            late.append(each.planned.run_id)
    return late
