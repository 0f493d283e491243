"""Whatever stands in a file of YAML, what is wrong is one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.ablation.plan import check, load
from benchmark.ablation.registration import parse as parse_registration
from benchmark.ablation.written import parse
from benchmark.errors import InputError

GAMMA = (Path(__file__).parents[2] / "ablations" / "gamma.yaml").read_text()
FAULTS = {
    "an integer key": ("a: {b: {1: 2}}", "b: Invalid key 1: not text; put it in quotes"),
    "a true key": ("{true: 2}", "Invalid key True"),
    "a null key": ("a: {~: 2}", "Invalid key None"),
    "a key that is a number": ("a: {1.5: 2}", "Invalid key 1.5"),
    "a key that is a date": ("a: {2020-01-01: 2}", "Invalid key datetime.date"),
    "a key that is a list": ("a: {? [b] : 2}", "Invalid key"),
    "a date": ("a: 2020-01-01", "a: found datetime.date(2020, 1, 1) (date); allowed: text"),
    "a time": ("a: [2020-01-01T00:00:00Z]", "put text in quotes"),
    "bytes": ("a: !!binary aGVsbG8=", "found b'hello'"),
    "a set": ("a: !!set {b}", "found {'b'} (set)"),
    "a tag": ("a: !mine 1", "not YAML"),
    "an order to Python": ("a: !!python/object/apply:os.system ['true']", "not YAML"),
    "no number": ("a: !!int b", "Invalid number"),
    "no truth": ("a: !!bool b", "Invalid value: 'b'"),
    "a number of 5,000 digits": (f"a: {'9' * 5000}", "Invalid number"),
    "the same in hexadecimal": (f"a: 0x{'f' * 5000}", "a: Invalid number: of more than 1024 bits"),
    "a number of 400 digits": (f"a: {'9' * 400}", "a: Invalid number: of more than 1024 bits"),
    "a key twice": ("a: 1\na: 2", "duplicate key"),
    "a tab": ("a:\n\tb: 1", "not YAML"),
    "two documents": ("a: 1\n---\na: 2", "expected a single document"),
    "an alias of nothing": ("a: *b", "undefined alias"),
    "an alias of itself": ("a: &a [*a]", "nested too deeply"),
    "a block in itself": ("a: &a {b: *a}", "nested too deeply"),
    "an escape": ('a: "\\x1b[31m"', r"a: Invalid text '\x1b[31m': it holds '\x1b'"),
    "half a character": ('a: "\\ud83d"', "a control character"),
    "a null byte": ("a: \0", "not YAML"),
}


@pytest.mark.parametrize(("text", "said"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    with pytest.raises(InputError, match=r"registered.yaml: Invalid registration: "):
        parse_registration(text.encode(), Path("registered.yaml"))


def test_what_is_well_stays_what_it_is() -> None:
    text = "a: &x [01, '01', 1e1, '1e1', -0.0, no, null, 'null', \"a\\nb\"]\nb: *x\nc: &x 😀\n"
    said = [1, "01", 10.0, "1e1", 0.0, "no", None, "null", "a\nb"]
    assert parse(text) == {"a": said, "b": said, "c": "😀"}
    assert str(parse("-0.0")) == "0.0"
    assert parse("") is None


BLOCKS = {
    "base": ({"base": [1]}, "base: found [1]; allowed: a block of KEY: VALUE"),
    "method": ({"base": {"method": 5}}, "method.name: missing; it says which kind"),
    "data": ({"base": {"data": None}}, "data.name: missing; it says which kind of data this is"),
    "evaluation": ({"base": {"evaluation": [1]}}, "evaluation: found [1]; allowed: a block"),
    "sweep": ({"sweep": 5}, "sweep: found 5; allowed: a block of KEY: VALUE"),
    "profiles": ({"profiles": ["short"]}, "profiles: found ['short']; allowed: a block"),
    "a claim": ({"claims": ["a"]}, "claims.0: found 'a'; allowed: a block of KEY: VALUE"),
    "a claim's test": ({"claims": [{"test": None}]}, "claims.0.test.kind: missing"),
    "a list for a test": ({"claims": [{"test": ["a"]}]}, "claims.0.test.kind: missing"),
    "a module of nowhere": ({"base": {"method": {"name": "../a:B"}}}, "../a:B: cannot be imported"),
    "a name": ({"name": True}, "name: found True; allowed: text"),
    "a long name": ({"name": "a" * 5000}, "allowed: text of at most 60 characters"),
}


@pytest.mark.parametrize(("changes", "said"), BLOCKS.values(), ids=BLOCKS)
def test_a_block_of_another_kind_is_one_line(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    written = parse(GAMMA)
    if isinstance(base := changes.get("base"), dict):
        changes = {"base": {**written["base"], **base}}
    if "claims" in changes and isinstance(claim := changes["claims"][0], dict):
        changes = {"claims": [{"id": "a", "says": "b", "source": "c", **claim}]}
    file = tmp_path / "fault.yaml"
    file.write_text(json.dumps({**written, **changes}))
    with pytest.raises(InputError) as caught:
        check(file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_claim_about_a_block_says_all_that_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "fault.yaml"
    contrast = "kind: contrast, direction: higher, over: method.gamma, of: {a: 1}, against: 0.3"
    test = f"test: {{{contrast}, column: distance, least_effect: 1}}"
    claims = f"claims: [{{id: a, says: b, source: c, {test}}}]"
    file.write_text(GAMMA.partition("claims:")[0] + claims)
    with pytest.raises(InputError) as caught:
        load(file, "short")
    allowed = "true, false, a whole number, a number, text"
    assert f"claims.0.test.of: found {{'a': 1}}; allowed: {allowed}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("# nothing\n# yet\n", "is empty"),
        ("- name\n", "expected keys (name, question, base, ...), found ['name']"),
        ("gamma", "expected keys (name, question, base, ...), found 'gamma'"),
    ],
)
def test_no_block_at_all_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "fault.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        check(file)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bytes(range(256)), "it is not text in UTF-8"),
        (GAMMA.encode("utf-16"), "it is not text in UTF-8"),
        (GAMMA.replace("question: ", "question: é").encode("latin-1"), "it is not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "fault.yaml"
    file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        check(file)
    with pytest.raises(InputError, match="cannot be read"):
        check(tmp_path)


def test_other_editors_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "gamma.yaml"
    for content in (GAMMA.replace("\n", "\r\n"), f"\ufeff{GAMMA}", f"---\n{GAMMA}...\n"):
        file.write_bytes(content.encode())
        assert len(load(file, "short").runs) == 15


@pytest.mark.parametrize("value", ["2020-01-01", "!!set {a}", f"0x{'f' * 5000}", "{1: 2}", "\0"])
def test_an_override_is_held_to_the_same(value: str, tmp_path: Path) -> None:
    file = tmp_path / "gamma.yaml"
    file.write_text(GAMMA)
    with pytest.raises(InputError, match="is not a YAML value") as caught:
        load(file, "short", (f"training.steps={value}",))
    assert len(str(caught.value)) < 500
