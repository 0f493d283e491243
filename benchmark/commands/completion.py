"""What a shell offers at TAB: ablation files, their profiles, and the ids of runs.

Nothing heavy is imported: a shell starts `bench` anew at each TAB.
"""

import glob
import re
from pathlib import Path

import click
from click.shell_completion import CompletionItem

PROFILES = ("demo", "short", "small", "paper")  # of the shipped files
_PLACES = ("", "ablations/")


def ablations(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """YAML files that sweep something, here and in ablations/; else any file, by the shell."""
    folder, slash, start = incomplete.rpartition("/")
    places = [folder + slash] if slash else _PLACES
    found = [
        f"{place}{path.name}"
        for place in places
        for path in sorted(Path(place or ".").glob("*.y*ml"))
        if f"{place}{path.name}".startswith(incomplete) or path.name.startswith(start)
    ]
    items = [CompletionItem(name) for name in found if _keys(Path(name), "sweep")]
    return items or [CompletionItem(incomplete, type="file")]


def profiles(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Those of FILE, where it is there already."""
    # Before the value of --profile is there, click has not told FILE from the other words.
    words = [context.params.get("file"), context.params.get("where"), *context.args]
    known = (_keys(Path(word), "profiles") for word in words if word)
    found = next(filter(None, known), PROFILES)
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def runs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The ids in --runs; else a folder, by the shell."""
    folder = Path(context.params.get("runs") or "runs")
    found = sorted(
        path.parent.name for path in folder.glob(f"{glob.escape(incomplete)}*/spec.json")
    )
    return [CompletionItem(name) for name in found] or [CompletionItem(incomplete, type="dir")]


def _keys(file: Path, block: str) -> list[str]:
    """The keys below a key at a file's margin; none where it cannot be read."""
    from ruamel.yaml import YAML

    try:
        text = file.read_text(encoding="utf-8")
        if not re.search(rf"^{block}:", text, re.MULTILINE):
            return []
        found = YAML(typ="safe", pure=True).load(text).get(block)
    except Exception:  # whatever is wrong with a file, a shell is no place to say it
        return []
    return list(map(str, found)) if isinstance(found, dict) else []
