"""Who trains a run that lies in a bucket, where no file lock reaches.

<url>/<run_id>/lease/000001.json    one Term; the last number counts

Whoever takes the run makes the next number, which only one can; the number before has to be over.
A holder renews its own term while it lives and never writes another's. Clocks of machines have to
agree within seconds. A holder that is cut off for longer than a term loses the run without
knowing; it looks before each upload, so that at most the objects of one can come after it lost
it, and these are the same bits, for a run depends on its spec and data alone.
"""

import os
import socket
import threading
import time
import uuid
from typing import Self

from pydantic import ValidationError

from benchmark.errors import BenchError, BusyError
from benchmark.mirror.bucket import Bucket
from benchmark.redact import redact
from benchmark.strict import Strict

FOLDER = "lease"
TERM_S = 30.0
RENEWALS = 3  # in a term


class Term(Strict):
    """Who holds a run until when (seconds since the epoch); 0 once it was given back."""

    holder: str
    until: float

    @property
    def is_over(self) -> bool:
        return self.until <= time.time()


class Lease:
    """Hold a run for writing as long as this lasts; raises BusyError where another does."""

    def __init__(self, bucket: Bucket, run_id: str) -> None:
        self._bucket, self._folder = bucket, f"{run_id}/{FOLDER}"
        self._holder = f"process {os.getpid()} on {socket.gethostname()} {uuid.uuid4().hex[:8]}"
        self._name = ""
        self._left = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Self:
        before = sorted(self._bucket.names(self._folder))
        last = self._term(before[-1]) if before else None
        if last is not None and not last.is_over:
            raise BusyError(
                f"{redact(self._bucket.url)}/{self._folder}: {last.holder} trains this run; free "
                f"{last.until - time.time():.0f} s from now unless it goes on"
            )
        number = int(before[-1].rpartition("/")[2].removesuffix(".json")) + 1 if before else 1
        self._name = f"{self._folder}/{number:06d}.json"
        try:
            self._bucket.create(self._name, self._until(time.time() + TERM_S))
        except FileExistsError:
            raise BusyError(f"{self._folder}: another process was quicker") from None
        self._bucket.remove(before)
        self._renewing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._renewing.join()
        try:
            if self.is_held():
                self._bucket.write({self._name: self._until(0.0)})
        except BenchError as away:  # it ends by itself
            print(away, flush=True)

    def is_held(self) -> bool:
        """Whether it still is this process's; asks the bucket."""
        last = max(self._bucket.names(self._folder), default="")
        term = self._term(last) if last else None
        return last == self._name and term is not None and term.holder == self._holder

    def _renew(self) -> None:
        while not self._left.wait(TERM_S / RENEWALS):
            try:
                if not self.is_held():
                    return
                self._bucket.write({self._name: self._until(time.time() + TERM_S)})
            except BenchError as away:
                print(f"lease: {away}; tried again", flush=True)

    def _term(self, name: str) -> Term | None:
        found = self._bucket.read([name]).get(name)
        try:
            return None if found is None else Term.model_validate_json(found)
        except ValidationError:
            raise BenchError(f"{redact(self._bucket.url)}/{name}: not a lease; remove it") from None

    def _until(self, until: float) -> bytes:
        return Term(holder=self._holder, until=until).model_dump_json().encode()
