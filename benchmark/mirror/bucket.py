"""Where runs lie that have no folder: S3 and the like, by a URL. fsspec is imported only here.

<url>/<run_id>/          as a run directory (see runs/directory.py), checkpoints and all
<url>/<run_id>/lease/    who trains it (see lease.py); a lock does not reach there
<url>/claims/            see questions/preregistration.py

A reader sees the old object or the new one, never half of either.
"""

import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import BenchError, InputError
from benchmark.redact import redact

SCRATCH = "BENCH_SCRATCH"  # names the folder of local copies
# One put shows the whole object or none of it. Elsewhere it is put beside its place and moved.
_WHOLE = {"s3", "gcs", "abfs", "memory"}
_NAME = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*")  # what we write; nothing hidden, no ".."


def scratch(url: str) -> Path:
    """This machine's folder for copies of what lies at `url`."""
    plain = re.sub(r"\W+", "-", redact(url)).strip("-")[-40:]
    name = f"{plain}-{hashlib.sha256(url.rstrip('/').encode()).hexdigest()[:8]}"
    return Path(os.environ.get(SCRATCH, "cache/remote")) / name


class Bucket:
    """The objects below a URL, by their names relative to it.

    Every method raises BenchError where the bucket is away or refuses.
    """

    def __init__(self, url: str) -> None:
        """Raises InputError where nothing here can read such a URL."""
        self.url = url.rstrip("/")
        local = {"auto_mkdir": True} if url.startswith(("file:", "local:")) else {}
        try:
            import fsspec

            self._fs, root = fsspec.url_to_fs(self.url, use_listings_cache=False, **local)
        except ImportError as error:
            raise InputError(
                f"{redact(url)}: {error}; `pip install .[remote]` brings what s3:// needs"
            ) from None
        except ValueError as error:
            raise InputError(f"{redact(url)}: {error}") from None
        self._root = root.rstrip("/")
        known = {self._fs.protocol} if isinstance(self._fs.protocol, str) else self._fs.protocol
        self._whole = not _WHOLE.isdisjoint(known)

    def names(self, under: str = "") -> dict[str, str]:
        """What is there, and a mark that changes whenever an object does."""
        with self._asking(under):
            found = self._fs.find(self._at(under).rstrip("/"), detail=True)
        marks = {}
        for path, info in found.items():
            name = path.removeprefix(self._root).strip("/")
            if _NAME.fullmatch(name):
                text = repr(sorted(info.items(), key=str))
                marks[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return marks

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """Objects, many at once; those that have gone meanwhile are left out."""
        wanted = {self._at(name): name for name in names}
        if not wanted:
            return {}
        with self._asking():
            found = self._fs.cat(list(wanted), on_error="return")
            for error in found.values():
                if isinstance(error, Exception) and not isinstance(error, FileNotFoundError):
                    raise error
        return {wanted[path]: data for path, data in found.items() if isinstance(data, bytes)}

    def write(self, objects: Mapping[str, bytes]) -> None:
        """Objects, each as a whole, in no order."""
        paths = {self._at(name): data for name, data in objects.items()}
        with self._asking(next(iter(objects), "")):
            if self._whole:
                self._fs.pipe(paths)
                return
            for path, data in paths.items():
                folder, _, name = path.rpartition("/")
                temporary = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}.tmp"
                self._fs.pipe_file(temporary, data)
                self._fs.mv(temporary, path)

    def create(self, name: str, data: bytes) -> None:
        """An object that is not there yet; raises FileExistsError where it is.

        Of several who try at once, one does it on S3 and in memory; where a service has no such
        request, each looks right before it writes.
        """
        with self._asking(name):
            if self._whole:
                self._fs.pipe_file(self._at(name), data, mode="create")
                return
            if self._fs.exists(self._at(name)):
                raise FileExistsError(name)
        self.write({name: data})

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with self._asking(name):
                self._fs.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _asking(self, name: str = "") -> Iterator[None]:
        """Each service's client has errors of its own; all of them become one line."""
        try:
            yield
        except (BenchError, FileExistsError):
            raise
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
            raise BenchError(redact(f"{self.url}/{name}: {first}")) from None
