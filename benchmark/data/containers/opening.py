"""Images in whatever they are kept in: a folder, an archive, or a folder of archives (shards)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmark.data.containers import parquet, tar
from benchmark.data.containers.files import Files, Folder, Stamps, Zip
from benchmark.data.containers.listing import Listing, suffix_of
from benchmark.errors import InputError

_KINDS: dict[str, Callable[[Path], Files]] = {
    ".zip": Zip,
    **dict.fromkeys(tar.SUFFIXES, tar.Tar),
    **dict.fromkeys(parquet.SUFFIXES, parquet.Parquet),
}
PACKED = tuple(_KINDS)
# Archives that hold the images of a folder that has none itself; the first kind found.
_OF_SHARDS = (parquet.SUFFIXES, tar.SUFFIXES, (".zip",))


def open_files(root: Path, name: str) -> Files | None:
    """The folder `name` in `root`, or else the archive `name`.zip, .tar, .tar.gz, .tgz or .parquet.

    A folder without an image, but with archives, is what is in these. None where there is neither.
    Raises InputError where an archive is not whole.
    """
    path = root / name
    if path.is_dir():
        return open_path(path)
    for suffix in PACKED:
        packed = path.with_name(path.name + suffix)
        if packed.is_file():
            return open_path(packed)
    return open_path(path) if path.is_file() and suffix_of(name) in PACKED else None


def open_path(path: Path) -> Files:
    """The images in a folder or archive; raises InputError where an archive is not whole."""
    if not path.is_dir():
        kind = _KINDS.get(suffix_of(path.name))
        if kind is None:
            raise InputError(f"{path}: neither a folder nor one of {', '.join(PACKED)}")
        return kind(path)
    folder = Folder(path)
    if folder.images().names:
        return folder
    return Shards.of(path, folder.names(), folder.images().left_out) or folder


class Shards:
    """The images of several archives below a folder, named by archive and name in it."""

    def __init__(self, path: Path, names: Sequence[str], left_out: Mapping[str, int]) -> None:
        """Raises InputError where one is not whole."""
        self.path = path
        self.archives: dict[str, Files] = {
            name: _KINDS[suffix_of(name)](path / name) for name in names
        }
        self._left_out = Counter(left_out)
        self._left_out.subtract(suffix_of(name) for name in names)

    @classmethod
    def of(
        cls, path: Path, files: Sequence[str], left_out: Mapping[str, int] | None = None
    ) -> "Shards | None":
        """Those of the first kind of archive that is among `files`; None where there is none."""
        for suffixes in _OF_SHARDS:
            names = [name for name in files if suffix_of(name) in suffixes]
            if names:
                return cls(path, names, left_out or {})
        return None

    def images(self) -> Listing:
        names: list[str] = []
        left_out = +self._left_out
        for archive, files in self.archives.items():
            found = files.images()
            names += [f"{archive}/{name}" for name in found.names]
            left_out += Counter(found.left_out)
        return Listing(names, left_out)

    def read(self, name: str) -> bytes:
        archive = self._archive_of(name)
        return self.archives[archive].read(name[len(archive) + 1 :])

    def stamps(self, names: Sequence[str]) -> Stamps:
        by_archive = {archive: files.stamps([""])[0] for archive, files in self.archives.items()}
        found = [by_archive[self._archive_of(name)] for name in names]
        return np.array(found, dtype=np.int64).reshape(-1, 4)

    def _archive_of(self, name: str) -> str:
        end = name.find("/")
        while name[:end] not in self.archives:
            end = name.index("/", end + 1)
        return name[:end]
