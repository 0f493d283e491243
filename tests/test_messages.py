"""No words of pydantic's or of the operating system's numbering reach people."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from click.testing import CliRunner
from pydantic import Field, ValidationError

from benchmark.ablation.messages import one_line, plainly
from benchmark.ablation.plan import load
from benchmark.cli import bench
from benchmark.errors import InputError, in_words, of_system
from benchmark.strict import Slug, Strict

GAMMA = Path(__file__).parents[1] / "ablations" / "gamma.yaml"
THEIRS = ("Input should", "should be", "should have", "Value error", "Errno", "a valid ")


class Block(Strict):
    whole: int = 1
    number: float = 1.0
    flag: bool = True
    text: str = ""
    slug: Slug = "a"
    few: list[int] = Field(default_factory=lambda: [1], min_length=1, max_length=2)
    part: Annotated[float, Field(ge=0, lt=1)] = 0.0
    even: Annotated[int, Field(gt=0, multiple_of=2)] = 2
    kind: Literal["a", "b", "c"] = "a"
    pair: dict[str, int] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("whole", "many", "found 'many'; allowed: a whole number"),
        ("whole", 1.5, "found 1.5; allowed: a whole number"),
        ("number", "x", "allowed: a number"),
        ("number", float("nan"), "allowed: a finite number"),
        ("flag", 1, "allowed: true, false"),
        ("text", 1, "allowed: text"),
        ("slug", "Not this", "allowed: lower-case letters, digits, _ and -"),
        ("slug", "a" * 61, "allowed: text of at most 60 characters"),
        ("few", [], "allowed: a list of 1 or more"),
        ("few", 3, "allowed: a list"),
        ("part", -1.0, "allowed: a number >= 0"),
        ("part", 1.0, "allowed: a number < 1"),
        ("even", 3, "allowed: a multiple of 2"),
        ("kind", "d", "allowed: a, b, c"),
        ("pair", [], "allowed: a block of KEY: VALUE"),
    ],
)
def test_what_is_allowed_is_said_in_our_words(key: str, value: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Block.model_validate({key: value})
    line = one_line("", caught.value, {key: value}, Block)
    assert line.startswith(f"{key}: found")
    assert line.endswith(said)
    assert not any(word in line + plainly(caught.value) for word in THEIRS)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("steps: 200000", "steps: many", "training.steps: found 'many'; allowed: a whole number"),
        ("patience: 5000", "patience: 5100", "lr_decay: patience must be a multiple of window"),
        ("size: 64", "size: 48", "data.size: found 48; "),
        ("name: gamma", "name: Gamma!", "name: found 'Gamma!'; allowed: lower-case letters"),
    ],
)
def test_a_fault_of_a_file_in_our_words(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = GAMMA.read_text()
    assert old in text
    file = tmp_path / "f.yaml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load(file, "paper")
    assert said in str(caught.value)
    assert not any(word in str(caught.value) for word in THEIRS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data", "show", "rotated:degrees=high"], "degrees: allowed: a number"),
        (["evaluate", "--images", ".", "--against", "../up"], "a path below --data-root"),
        (["plan", "folder.yaml"], "folder.yaml"),
        (["plan", "latin.yaml"], "latin.yaml: cannot be read: it is not text in UTF-8"),
    ],
)
def test_a_command_says_it_in_our_words(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.yaml").mkdir()
    Path("latin.yaml").write_bytes(b"\xff\xfe")
    done = CliRunner().invoke(bench, arguments)
    text = f"{done.output}{done.exception}"
    assert said in text
    assert not any(word in text for word in THEIRS)


def test_the_system_has_no_number() -> None:
    error = FileNotFoundError(2, "No such file or directory", "a/b")
    assert in_words(error) == ("a/b: No such file or directory; nothing that was finished is lost")
    assert of_system(ValueError("odd\n  bytes")) == "odd bytes"
    assert of_system(EOFError()) == "EOFError"
