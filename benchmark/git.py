"""Queries of a checkout's history through the `git` command."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST_S = 60
# Users' own settings must not affect what is read here.
_PLAIN = ("-c", "log.showSignature=false", "-c", "diff.noprefix=false", "-c", "color.ui=false")
_ASIDE = {
    **{"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"},
    "LC_ALL": "C",
}


@dataclass(frozen=True)
class Version:
    """A file as one commit left it."""

    commit: str
    time: str
    """Of the commit, in ISO 8601."""
    content: bytes


def ask(folder: Path, *arguments: str) -> str | None:
    """git's output in `folder`; None if it fails, or there is no git."""
    found = _run(folder, arguments)
    return None if found is None else found.decode(errors="replace")


def top(folder: Path) -> Path | None:
    """The folder of the checkout that `folder` is in; None outside of one."""
    found = ask(folder, "rev-parse", "--show-toplevel")
    return Path(found.removesuffix("\n")) if found else None


def versions(path: Path) -> list[Version]:
    """A file's versions, oldest first, under its earlier names too; deletions are left out."""
    # Git cannot follow renames in reverse.
    log = ["log", "--follow", "-z", "--name-only", "--format=%x01%H %cI", "--", path.name]
    found = []
    for entry in (ask(path.parent, *log) or "").split("\x01")[1:]:
        head, *names = (part.strip("\n") for part in entry.split("\0"))
        commit, time = head.split()
        name = next((each for each in names if each), None)
        content = _run(path.parent, ["cat-file", "blob", f"{commit}:{name}"]) if name else None
        if content is not None:
            found.append(Version(commit, time, content))
    return found[::-1]


def is_ancestor(folder: Path, earlier: str, later: str) -> bool:
    """Whether a commit is `later` or in its history; False where either is not known here."""
    return ask(folder, "merge-base", "--is-ancestor", earlier, later) is not None


def _run(folder: Path, arguments: Sequence[str]) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", *_PLAIN, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST_S,
            env={**{k: v for k, v in os.environ.items() if _is_of_git_itself(k)}, **_ASIDE},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _is_of_git_itself(variable: str) -> bool:
    """Without repository variables: a hook that runs `bench` has its own GIT_DIR and more."""
    return not variable.startswith("GIT_") or variable.startswith(("GIT_CONFIG", "GIT_EXEC_PATH"))
