"""Unpack archives of images: never out of their folder, and whole or not at all."""

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, cast
from zipfile import BadZipFile, ZipFile

from benchmark.errors import BenchError


def unpack(archive: Path, into: Path) -> None:
    """Unpack `archive`, a .zip or the first part of a .7z.001, as the folder `into`.

    Members lie in a folder of that name or at the archive's top. Raises BenchError where a member
    would leave the folder, the archive is broken (both formats carry a CRC for every member), or
    py7zr is wanted and missing.
    """
    temporary = into.with_name(f".{into.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed unpacking left
    try:
        temporary.mkdir(parents=True)
        if archive.suffix == ".zip":
            _unzip(archive, temporary)
        else:
            _un7zip(archive, temporary)
        within = temporary / into.name
        (within if within.is_dir() else temporary).rename(into)
    except OSError as error:
        raise BenchError(
            f"{into}: cannot unpack {archive.name} there ({error.strerror or error})"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refuse_escapes(archive: Path, names: Iterable[str]) -> None:
    for name in names:
        posix, windows = PurePosixPath(name), PureWindowsPath(name)
        if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
            raise BenchError(f"{archive}: holds {name!r}, which leaves its folder; not unpacked")


def _unzip(archive: Path, into: Path) -> None:
    try:
        with ZipFile(archive) as packed:
            _refuse_escapes(archive, packed.namelist())
            packed.extractall(into)
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BenchError(f"{archive}: not a valid zip archive ({error}); fetch it again") from None


def _un7zip(first: Path, into: Path) -> None:
    try:
        import multivolumefile
        import py7zr
    except ImportError:
        raise BenchError(
            "py7zr is needed to unpack the images in the wild: pip install 'began-bench[celeba]'"
        ) from None
    faults = (py7zr.exceptions.ArchiveError, EOFError, ValueError, TypeError, LookupError)
    try:
        with (
            multivolumefile.open(first.with_suffix(""), mode="rb") as parts,
            py7zr.SevenZipFile(cast(IO[bytes], parts), mode="r") as packed,
        ):
            _refuse_escapes(first, packed.getnames())
            if any(member.is_symlink for member in packed.files):
                raise BenchError(f"{first}: holds links; not unpacked")
            packed.extractall(into)
    except faults as error:
        raise BenchError(
            f"{first}: the parts are not a valid 7z archive ({error}); fetch them again"
        ) from None
