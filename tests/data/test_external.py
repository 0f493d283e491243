"""Faults of data sets from outside are one line each, before anything is trained."""

import itertools
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmark.ablation.plan import load
from benchmark.data.settings import ExternalData
from benchmark.data.store import open_store
from benchmark.errors import InputError
from benchmark.imports import load_class

HERE = "tests.data.test_external"
BLACK = np.zeros((1, 3, 16, 16), np.uint8)
COUNTED = itertools.count()


class Sound:
    """Forty black images; subclasses spoil one thing each."""

    title: Any = "sound"

    def __init__(self, size: int, data_root: Path | None) -> None:
        self.size = size

    def __len__(self) -> Any:
        return 40

    def fingerprint(self) -> Any:
        return "sound 1"

    def splits(self) -> Any:
        return {"train": range(20), "validation": range(20, 30), "test": range(30, 40)}

    def name(self, index: int) -> Any:
        return f"image {index}"

    def decode(self, indices: Any) -> Any:
        return np.repeat(BLACK, len(indices), axis=0), np.ones(len(indices), bool)


def splits(**changes: Any) -> type[Sound]:
    """With other parts; None leaves one out."""
    parts = {"train": range(20), "validation": range(20, 30), "test": range(30, 40), **changes}
    found = {part: at for part, at in parts.items() if at is not None}
    return type("Parts", (Sound,), {"splits": lambda self: found})


def decoding(images: Any, whole: Any) -> type[Sound]:
    """With these made of as many as are asked for."""
    return type(
        "Decoding", (Sound,), {"decode": lambda self, at: (images(len(at)), whole(len(at)))}
    )


def black(count: int) -> Any:
    return np.repeat(BLACK, count, axis=0)


def flags(count: int) -> Any:
    return np.ones(count, bool)


class Raises(Sound):
    where: ClassVar[str] = ""

    def __init__(self, size: int, data_root: Path | None) -> None:
        if self.where == "__init__":
            raise RuntimeError("no\nsuch disk")
        super().__init__(size, data_root)

    def decode(self, indices: Any) -> Any:
        import no_such_module  # noqa: F401  # type: ignore[import-not-found]


def raising(method: str) -> type[Sound]:
    def fail(self: Any, *arguments: Any) -> Any:
        return {}["lost"]

    return type("Failing", (Sound,), {method: fail})


FAULTS: dict[str, tuple[type, str]] = {
    "no validation": (splits(validation=None), "splits has no 'validation'"),
    "no parts": (type("X", (Sound,), {"splits": lambda self: None}), "splits has no 'train'"),
    "a mask": (
        splits(train=np.arange(40) < 20),
        r"splits returned train as bool \(40,\); expected positions \(np.flatnonzero",
    ),
    "a list of truths": (splits(test=[True, False]), r"returned test as bool .*flatnonzero"),
    "fractions": (splits(train=[0.5, 1.5]), r"train as float64 \(2,\); expected positions"),
    "a table": (splits(train=[[1, 2]]), r"returned train as int64 \(1, 2\)"),
    "ragged": (splits(train=[[1], [2, 3]]), "splits has no 'train'|returned train as"),
    "outside": (splits(test=range(30, 41)), "returned test positions outside its 40 images"),
    "negative": (splits(test=[-1]), "returned test positions outside its 40 images"),
    "none": (splits(test=[]), "returned no test image"),
    "overlapping": (splits(test=range(15, 25)), r"has 10 images in two parts .*first is 15"),
    "twice in one": (splits(test=[30, 30]), r"has 1 images in two parts or twice in one"),
    "flags as a list of numbers": (decoding(black, lambda n: [1] * n), r"flags int64 .* one bool"),
    "flags as integers": (decoding(black, lambda n: np.ones(n, int)), r"flags int64 \(40,\)"),
    "too few flags": (decoding(black, lambda n: flags(n)[1:]), r"flags bool \(39,\)"),
    "floats": (decoding(lambda n: black(n) / 255, flags), "decodes to float64"),
    "last axis": (
        decoding(lambda n: black(n).transpose(0, 2, 3, 1), flags),
        r"decodes to uint8 \(40, 16, 16, 3\); expected uint8 \(40, 3, 16, 16\)",
    ),
    "no pair": (
        type("X", (Sound,), {"decode": lambda s, i: black(len(i))}),
        "decode returned no pair",
    ),
    "an error in decode": (raising("decode"), r"decode fails \(KeyError: 'lost', test_external"),
    "a missing import": (Raises, r"decode fails \(ModuleNotFoundError: No module named 'no_such"),
    "an error in splits": (raising("splits"), r"splits fails \(KeyError"),
    "an error in len": (raising("__len__"), r"__len__ fails \(KeyError"),
    "an error in fingerprint": (raising("fingerprint"), r"fingerprint fails \(KeyError"),
    "an error in title": (
        type("X", (Sound,), {"title": property(lambda self: {}["lost"])}),
        r"title fails \(KeyError: 'lost', test_external",
    ),
    "an exit in splits": (
        type("X", (Sound,), {"splits": lambda self: sys.exit("bye")}),
        r"splits fails \(SystemExit: bye",
    ),
    "fewer than none": (type("X", (Sound,), {"__len__": lambda self: 0}), "__len__ returned 0;"),
    "no fingerprint": (
        type("X", (Sound,), {"fingerprint": lambda self: None}),
        "fingerprint returned a NoneType; expected text",
    ),
    "another fingerprint each time": (
        type("X", (Sound,), {"fingerprint": lambda self: str(next(COUNTED))}),
        "fingerprint returned another text at each call",
    ),
    "an error when built": (
        type("X", (Raises,), {"where": "__init__"}),
        r"cannot be built .*\(RuntimeError: no such disk, test_external\.py:\d+\)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_one_line(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, says = FAULTS[fault]
    monkeypatch.setitem(globals(), "Chosen", made)
    settings = ExternalData(name=f"{HERE}:Chosen", size=16)
    with pytest.raises(InputError, match=says) as caught:
        open_store(settings, None, tmp_path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("data.name: tests.data.test_external:Chosen")


def test_what_decode_is_given_is_its_own_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sorting(Sound):
        def decode(self, indices: Any) -> Any:
            whole = indices != 3
            indices[:] = indices[::-1].copy()
            return black(len(indices)), whole

    monkeypatch.setitem(globals(), "Chosen", Sorting)
    monkeypatch.setattr("benchmark.data.fitness.BROKEN_LIMIT", 0.5)
    store = open_store(ExternalData(name=f"{HERE}:Chosen", size=16), None, tmp_path)
    assert store.broken == ("image 3",)


def test_lists_of_bools_and_other_integers_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is plainly meant is taken."""

    class Listed(Sound):
        def splits(self) -> Any:
            found = super().splits()
            return {part: np.array(at, dtype=np.uint16) for part, at in found.items()}

        def decode(self, indices: Any) -> Any:
            return black(len(indices)).tolist(), [True] * len(indices)

    class Typed(Listed):
        def decode(self, indices: Any) -> Any:
            return black(len(indices)), [index != 3 for index in indices]

    monkeypatch.setitem(globals(), "Chosen", Typed)
    settings = ExternalData(name=f"{HERE}:Chosen", size=16)
    monkeypatch.setattr("benchmark.data.fitness.BROKEN_LIMIT", 0.5)
    store = open_store(settings, None, tmp_path)
    assert store.broken == ("image 3",)
    assert store.splits["train"].tolist() == [i for i in range(20) if i != 3]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_module", "cannot be imported .No module named 'no_such_module'"),
        ("class Faces(:", "cannot be imported .*SyntaxError"),
        ("1 / 0", "cannot be imported .*ZeroDivisionError.*division by zero"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError.*two.*lines"),
        ("x = 1", "there is no Faces in my_faces .*my_faces.py"),
    ],
)
def test_a_module_that_fails_is_one_line(
    code: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_faces.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "my_faces", raising=False)
    with pytest.raises(InputError, match=says) as caught:
        load_class("my_faces:Faces")
    assert "\n" not in str(caught.value)


FILE = """
name: x
question: Is the size kept?
base:
  method: {name: began, n: 2, h: 4, z: 4}
  data: {name: celeba, size: 16, view: wild}
  training: {steps: 4, batch: 4}
  evaluation: {every: 2, judges: {efficientnet_lite0: {samples: 60}}}
sweep: {method.gamma: [0.5]}
seeds: [0]
profiles: {demo: {}, other: {data: {name: faces}}}
"""


def test_another_data_set_on_the_command_line_keeps_the_size(tmp_path: Path) -> None:
    """A file that names another data set says its size itself, and its runs keep their ids."""
    path = tmp_path / "x.yaml"
    path.write_text(FILE)

    def data(*overrides: str, profile: str = "demo") -> Any:
        return load(path, profile, overrides).runs[0].spec.data

    assert data("data.name=my:Faces").model_dump() == {
        "name": "my:Faces", "size": 16, "options": {}
    }  # fmt: skip
    assert data("data.name=folder", "data.folder=x").size == 16
    assert data("data.size=32", "data.name=faces").size == 32
    assert data("data.name=faces", "data.size=32").size == 32
    assert data("data.name=celeba").view.name == "wild"
    assert data(profile="other").size == 32  # the drawn faces' own default
