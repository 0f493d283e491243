"""A finished run as one file: packed for another person, unpacked with suspicion.

    <run_id>.zip
        spec.json, provenance.json, metrics.jsonl, result.json
        evaluation.json, evaluations/<features>-<digest>.json and .jsonl
        samples/<step>.png
        snapshots/<step>-<sum>.safetensors
        checkpoints/<step>-<sum>.safetensors (the last), checkpoints/digests.jsonl

All snapshots and grids and the last checkpoint, or the last snapshot and grid alone.

An archive is data: nothing in it is executed, no pickle is ever read, and any other name is refused
before anything is written. The log is left out, as it may contain local paths.
"""

import errno
import re
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from benchmark.errors import BenchError, InputError
from benchmark.files import is_held
from benchmark.runs import digests
from benchmark.runs.directory import WRITING_S, RunDirectory
from benchmark.runs.evaluations import FOLDER

LIMIT = 4 * 2**30  # bytes, unpacked
_NEEDED = {"spec.json", "provenance.json", "metrics.jsonl", "result.json"}
_ALLOWED = re.compile(
    r"(spec|provenance|result|evaluation)\.json|metrics\.jsonl|samples/\d{8}\.png"
    r"|checkpoints/digests\.jsonl|(checkpoints|snapshots)/\d{8}-[0-9a-f]{16}\.safetensors"
    r"|evaluations/[\w.]+-[0-9a-f]{12}\.jsonl?"
)
IMPORTING = ".import-"  # how the folder that a run is unpacked into begins
_LOCK = "lock"  # in it, held while that goes on
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # the same run gives the same archive
_CHUNK = 2**20


def export_run(run: RunDirectory, to: Path, *, last: bool = False) -> Path:
    """Pack a finished run; raises InputError where it is not, or where `to` exists.

    The `last` snapshot alone, without checkpoints, is enough to judge the run again. Raises
    BenchError where the run is damaged, or a process is still judging what it trained.
    """
    if run.result() is None:
        raise InputError(f"{run.path}: not finished; `bench run` continues it")
    if run.is_locked():
        raise BenchError(f"{run.path}: another process is writing this run; wait for its end")
    if to.exists():
        raise InputError(f"{to}: already exists; choose another name")
    _refuse_damaged(run)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=to.parent) as folder:
        packed = Path(folder) / to.name
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in _packed(run, last):
                member = zipfile.ZipInfo(_name(run, path), _FIXED_TIME)
                member.external_attr = 0o644 << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, _whole(path))
        packed.replace(to)
    return to


def _refuse_damaged(run: RunDirectory) -> None:
    from benchmark.runs.doctor import faults_of

    for fault in faults_of(run, run.spec().run_id):
        if fault.serious:
            raise BenchError(f"{fault.where}: {fault.what}; see `bench doctor`")


def _whole(path: Path) -> bytes:
    """A file's content; of rows only whole lines, as a judge may be writing the last."""
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1] if path.suffix == ".jsonl" else data


def _name(run: RunDirectory, path: Path) -> str:
    return path.relative_to(run.path).as_posix()


def _packed(run: RunDirectory, last: bool) -> Iterator[Path]:
    def ours(folder: Path) -> list[Path]:
        """Without what somebody else keeps there, which no import would accept."""
        return sorted(path for path in folder.glob("*") if _ALLOWED.fullmatch(_name(run, path)))

    yield from (run.path / name for name in sorted(_NEEDED))
    yield from (path for path in [run.path / "evaluation.json"] if path.exists())
    yield from ours(run.path / FOLDER)
    first = -1 if last else 0
    yield from ours(run.samples)[first:]
    yield from ours(run.snapshots)[first:]
    yield from run.checkpoints.glob(digests.NAME)
    if not last:
        yield from [path for path in ours(run.checkpoints) if path.name != digests.NAME][-1:]


def import_run(archive: Path, runs: Path, limit: int = LIMIT) -> RunDirectory:
    """Unpack a run below `runs`, in full or not at all.

    Raises InputError if the file is not such an archive, contains anything else, unpacks to more
    than `limit` bytes, is damaged, or if the run exists already.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=IMPORTING, dir=runs) as folder,
        FileLock(Path(folder) / _LOCK),
    ):
        unpacked = Path(folder) / "run"
        try:
            with zipfile.ZipFile(archive) as file:
                _check_names(archive, file)
                _unpack(archive, file, unpacked, limit)
        except FileNotFoundError:
            raise InputError(f"{archive}: no such file") from None
        except OSError as error:
            if error.errno != errno.EINVAL:  # an offset before the beginning of the file
                raise
            raise InputError(f"{archive}: not a valid zip file") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
            raise InputError(f"{archive}: not a valid zip file ({error})") from None
        run_id = _check_run(archive, RunDirectory(unpacked))
        place = runs / run_id
        if place.exists():
            raise InputError(f"{place}: this run already exists; choose another --runs folder")
        unpacked.rename(place)
    return RunDirectory(place)


def is_being_imported(folder: Path) -> bool:
    """Whether a living process unpacks into a folder that is called as IMPORTING says."""
    lock = folder / _LOCK
    try:  # a young folder's process may be about to take the lock
        return is_held(lock) if lock.exists() else time.time() - folder.stat().st_mtime < WRITING_S
    except FileNotFoundError:  # it has just ended
        return True


def _check_names(archive: Path, file: zipfile.ZipFile) -> None:
    names = [member.filename for member in file.infolist()]
    for member in file.infolist():
        kind = member.external_attr >> 16 & 0o170000
        # The name is matched whole, so that no path can leave the folder; a link has a kind.
        if not _ALLOWED.fullmatch(member.filename) or kind not in (0, 0o100000):
            raise InputError(
                f"{archive}: holds {member.filename!r}, which is no part of a run; nothing "
                "was unpacked"
            )
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(
                f"{archive}: {member.filename!r} is not compressed as `bench export` does it; "
                "nothing was unpacked"
            )
    if len(set(names)) < len(names):
        raise InputError(f"{archive}: contains a file twice; nothing was unpacked")
    if missing := sorted(_NEEDED - set(names)):
        raise InputError(f"{archive}: no run in it: {', '.join(missing)} missing")


def _unpack(archive: Path, file: zipfile.ZipFile, folder: Path, limit: int) -> None:
    left = limit
    for member in file.infolist():
        path = folder / member.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        with file.open(member) as source, path.open("xb") as target:
            # Counted while unpacking: the sizes stated in an archive may be false.
            while chunk := source.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise InputError(
                        f"{archive}: unpacks to more than {limit} bytes; if you trust it, give "
                        "a higher --limit"
                    )
                target.write(chunk)


def _check_run(archive: Path, run: RunDirectory) -> str:
    """The id of an unpacked run, after verifying it and recomputing every checksum."""
    from benchmark.runs.doctor import faults_of  # torch is not needed to export

    try:
        spec = run.spec()
        found = [fault for fault in faults_of(run, spec.run_id) if fault.serious]
    except BenchError as error:
        first = str(error).splitlines()[0].replace(str(run.path), archive.name)
        raise InputError(f"{archive}: damaged: {first}") from None
    if found:
        raise InputError(f"{archive}: damaged: {found[0].what}")
    return spec.run_id
