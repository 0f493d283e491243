"""Fetch CelebA from its authors' Google Drive, as far as that lets itself be fetched from."""

from collections.abc import Callable
from pathlib import Path

from benchmark.data.celeba.layout import (
    ALIGNED,
    ALIGNED_ZIP,
    PAGE,
    TABLES,
    WILD,
    WILD_PARTS,
    Remote,
)
from benchmark.data.celeba.tables import md5_of
from benchmark.data.containers.unpack import unpack
from benchmark.errors import BenchError


class Refused(Exception):  # noqa: N818 - an answer of Google Drive, turned into a BenchError
    """The download was refused or broke off; says why."""


def fetch_celeba(root: Path, *, wild: bool, say: Callable[[str], None]) -> None:
    """Bring CelebA into `root`/celeba and unpack it; what is there and whole is left alone.

    With `wild` the images in the wild too (10 GB). Raises BenchError that names what is to be
    fetched by hand and where to put it; the same call then continues from there.
    """
    folder = root / "celeba"
    folder.mkdir(parents=True, exist_ok=True)
    archives = [(ALIGNED, (ALIGNED_ZIP,)), *([(WILD, WILD_PARTS)] if wild else [])]
    wanted = [*TABLES]
    for images, remotes in archives:
        if not (folder / images).is_dir():
            wanted += remotes
    refused = _fetch_all(wanted, folder, say)
    if refused:
        names = ", ".join(remote.name for remote in refused)
        raise BenchError(
            f"not fetched: {names}; Google Drive refuses when too many ask. Fetch them by hand "
            f"from the addresses above or from {PAGE}, put them into {folder}/ under these names, "
            "and type the same command again"
        )
    for images, remotes in archives:
        if not (folder / images).is_dir():
            say(f"{images}: unpacking")
            unpack(folder / remotes[0].name, folder / images)
    say(f"{folder}: all there; bench data check {folder} says more")


def _fetch_all(wanted: list[Remote], folder: Path, say: Callable[[str], None]) -> dict[Remote, str]:
    """Fetch what is not there; gives what was refused and why."""
    refused: dict[Remote, str] = {}
    for remote in wanted:
        place = folder / remote.name
        if place.exists() and _is(place, remote):
            say(f"{remote.name}: there")
            continue
        if place.exists():
            raise BenchError(
                f"{place}: not CelebA's (its MD5 is not {remote.md5}); move it away, or give "
                "--data-root another folder"
            )
        partial = place.with_name(f"{place.name}.part")
        say(f"{remote.name}: fetching")
        try:
            _from_drive(remote.drive, partial)
        except Refused as why:
            refused[remote] = str(why)
        else:
            if _is(partial, remote):
                partial.rename(place)
            else:
                partial.unlink(missing_ok=True)
                refused[remote] = "what came was another file"
        if remote in refused:
            url = f"https://drive.google.com/uc?id={remote.drive}"
            say(f"{remote.name}: refused ({refused[remote]}); by hand: {url}")
    return refused


def _is(path: Path, remote: Remote) -> bool:
    if remote.md5 is None:  # a part of the 7z archive, which checks itself when it is unpacked
        return path.stat().st_size > 0
    return md5_of(path) == remote.md5


def _from_drive(drive: str, path: Path) -> None:
    """Download `drive`, continuing from what is there; raises Refused."""
    try:
        import gdown
        from requests import RequestException
    except ImportError:
        raise BenchError(
            "gdown is needed to fetch from Google Drive: pip install 'began-bench[celeba]'"
        ) from None
    try:
        gdown.download(id=drive, output=str(path), resume=True, use_cookies=False)
    except (gdown.exceptions.DownloadError, RequestException, OSError) as error:
        raise Refused(" ".join(str(error).split())[:200]) from None
