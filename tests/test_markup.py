"""Any text in Markdown, and back."""

import html
import re

import pytest
from markdown_it import MarkdownIt

from benchmark.markup import code, escaped, plain
from benchmark.text import shortened, single_line, visible

TEXTS = [
    *("a`b", "``x``", "`", "\\`", "`|`", "```", "~~~", "~~x~~"),
    *("$a_1$ and $", "{x} \\frac{1}{2}", "a|b", "\\|", "a\\b", "\\*", "a\\"),
    *("<b>x</b>", "<script>alert(1)</script>", "<http://x.y>", "&amp;", "&#65;", "http://x.y"),
    *("a*b*c", "*", "_x_", "__x__", "snake_case", "x_", "[a](b)", "![i](u)", "[a]"),
    *("1. a", "- a", "# a", "> a", "+ a", "1) a", "---", "===", "=", "-1.5", "3.5", "+1"),
    *("a\nb", "a\n\n# b", "  lead", "שלום", "😀", "a  b", "x" * 3000),
]


@pytest.mark.parametrize("text", TEXTS)
def test_it_reads_as_it_was_written(text: str) -> None:
    shown, markdown = single_line(text), MarkdownIt("commonmark", {"html": False}).enable("table")
    assert plain(escaped(text)) == plain(code(text)) == shown
    for said in (escaped(text), f"- {escaped(text)}", code(text)):
        assert said.count("\n") == 0
        assert words(markdown.render(said)) == shown
    cell = escaped(text).replace("|", "\\|")
    table = markdown.render(f"| head |\n|:---|\n| {cell} |\n")
    (found,) = re.findall(r"<td[^>]*>(.*?)</td>", table, re.DOTALL)
    assert words(found) == shown


def words(rendered: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", rendered)).strip()


def test_words_of_ours_stay_as_they_are() -> None:
    said = "gamma=0.3, L_G reaches D: -1.5 (M_global, 95 %); it's 3 > 2"
    assert escaped(said) == said


def test_links_and_code_are_plain_again() -> None:
    assert plain("50 % of `x_1` [here](#there), **not** \\*") == "50 % of x_1 here, not *"


def test_control_characters_are_shown() -> None:
    assert visible("a\x1b[31m\x00\r\n\tb\ud800") == "a\\x1b[31m\\x00\\r\n\tb\\ud800"
    assert single_line(" a \r\n\n b\tc\u2028d ") == "a b c d"


def test_a_long_text_is_shortened_in_its_middle() -> None:
    assert shortened("0123456789", 10) == "0123456789"
    assert shortened("0123456789x", 10) == "01234…789x"
    assert len(shortened("y" * 5000, 7)) == 7
