"""What comes back from people: votes by cell and seed, and what does not count, a line a file."""

from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import InputError
from benchmark.preference.answers import Vote, read_votes
from benchmark.preference.page import Pair, page, pairs, write_page
from benchmark.preference.samples import samples
from benchmark.results.tables import Tables, read_tables
from benchmark.results.writer import write_results
from tests.preference.material import answers, painted, send


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("painted")
    return write_results(painted(root / "runs"), root / "runs", root / "results")


@pytest.fixture
def tables(made: Path) -> Any:
    found = read_tables(made)
    yield found
    for path in (made / "preference").glob("*"):
        path.unlink()


def test_a_grid_is_cut_into_its_samples(tables: Tables) -> None:
    found = samples(tables)
    # Two cells of two finished runs, two rows of eight each.
    assert len(found) == 2 * 2 * 16
    assert {each.cell for each in found.values()} == {"BEGAN", "EBGAN-PT"}
    for name, each in found.items():
        assert each.pixels.shape == (16, 16, 3)
        # The first three bytes of a painted image say what it is.
        cell = int(each.cell == "EBGAN-PT")
        assert (each.pixels[..., 0] == cell).all()
        assert (each.pixels[..., 1] == each.seed).all()
        assert len(set(each.pixels[..., 2].ravel())) == 1
        assert name == each.name


def test_pairs_are_of_two_cells_and_one_seed_and_sides_are_random(tables: Tables) -> None:
    found = pairs(tables, (), 200, 0)
    assert len(found) == 200
    assert all(pair.left.cell != pair.right.cell for pair in found)
    assert all(pair.left.seed == pair.right.seed for pair in found)
    left = sum(pair.left.cell == "BEGAN" for pair in found)
    assert 70 <= left <= 130
    assert {pair.left.seed for pair in found} == {0, 1}
    assert found == pairs(tables, (), 200, 0)
    assert found != pairs(tables, (), 200, 1)


@pytest.mark.parametrize(
    ("cells", "word"),
    [
        (("BEGAN", "Began"), "no such cell; baselines"),
        (("BEGAN",), "no two cells have different samples"),
    ],
)
def test_a_page_of_nothing_is_refused(cells: tuple[str, ...], word: str, tables: Tables) -> None:
    with pytest.raises(InputError, match=word):
        pairs(tables, cells, 10, 0)


def test_the_page_is_blind(tables: Tables) -> None:
    text = page(tables, pairs(tables, (), 30, 0))
    for word in ("BEGAN", "EBGAN", "began", "ebgan", "seed", *tables.runs["run_id"]):
        assert word not in text.replace("began-bench", ""), word
    assert "photograph of a face" in text
    assert text == page(tables, pairs(tables, (), 30, 0))


def test_another_file_is_not_overwritten(tables: Tables, tmp_path: Path) -> None:
    path, shown = tmp_path / "page.html", pairs(tables, (), 2, 0)
    write_page(tables, shown, path)
    write_page(tables, shown, path)
    path.write_text("my notes")
    with pytest.raises(InputError, match=r"page\.html: was not written by `bench preference`"):
        write_page(tables, shown, path)


def test_votes_are_by_cell_and_seed(tables: Tables) -> None:
    shown = pairs(tables, (), 20, 3)
    send(tables, answers(tables, shown, "Ada", lambda pair: "left"))
    votes, faults = read_votes(tables)
    assert faults == []
    assert votes == [Vote("Ada", pair.left.seed, pair.left.cell, pair.right.cell) for pair in shown]


def other_version(file: dict[str, Any]) -> None:
    file["page"]["version"] = 2


def other_ablation(file: dict[str, Any]) -> None:
    file["page"]["ablation"] = "gamma"


def unknown_image(file: dict[str, Any]) -> None:
    file["answers"][0]["left"] = "0" * 16


def same_image(file: dict[str, Any]) -> None:
    file["answers"][0]["left"] = file["answers"][0]["right"]


def neither_side(file: dict[str, Any]) -> None:
    file["answers"][0]["chosen"] = "both"


@pytest.mark.parametrize(
    ("change", "said", "kept"),
    [
        (other_version, "ada.json: answers to version 2 of the page, but this is version 1", 0),
        (other_ablation, "ada.json: answers about gamma, profile short", 0),
        (unknown_image, "ada.json: 1 of 4 answers are left out, because they are about images", 3),
        (same_image, "ada.json: 1 of 4 answers are left out, because they are about images", 3),
        (neither_side, "ada.json: not an answers file (answers.0.chosen: allowed: ", 0),
    ],
)
def test_what_does_not_count_is_one_line(change: Any, said: str, kept: int, tables: Tables) -> None:
    file = answers(tables, pairs(tables, (), 4, 0), "Ada", lambda pair: "right")
    change(file)
    send(tables, file)
    votes, (fault,) = read_votes(tables)
    assert fault.startswith(said)
    assert "\n" not in fault
    assert len(votes) == kept


def test_no_json_is_one_line(tables: Tables) -> None:
    send(tables, {}).write_text("{")
    votes, (fault,) = read_votes(tables)
    assert votes == []
    assert fault.startswith("somebody.json: not an answers file (")


def test_the_same_page_answered_again_counts_once(tables: Tables) -> None:
    def left(pair: Pair) -> str:
        return "left"

    shown = pairs(tables, (), 4, 0)
    send(tables, answers(tables, shown, "Ada", left))
    begun = answers(tables, shown, "Ada", left)
    send(tables, {**begun, "answers": begun["answers"][:3]}, "later")  # and not to its end
    send(tables, answers(tables, shown, "Bob", left))
    votes, faults = read_votes(tables)
    assert len(votes) == 8
    assert [fault.partition(" which")[0] for fault in faults] == [
        "later.json: Ada also answered that page in ada.json,",
    ]
