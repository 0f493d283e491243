"""User text in Markdown: escaped on the way in, plain again on the way out."""

import re
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from benchmark.text import single_line

BREAK = "\\\n"  # a line break
# What would be markup wherever it stands; a code host reads $ as mathematics.
_ANYWHERE = re.compile(r"[\\`*\[\]<$~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
# What would be markup at the head of a line: a heading, a list, a rule.
_AT_HEAD = re.compile(r"^(\d{0,9})([-+#>=.)])")


def escaped(text: str) -> str:
    """Any text as Markdown that shows it, on one line. Table cells escape | themselves."""
    said = _ANYWHERE.sub(r"\\\g<0>", single_line(text))
    return _AT_HEAD.sub(r"\1\\\2", said)


def code(text: str) -> str:
    """Any text as a span of code, on one line."""
    said = single_line(text)
    longest = max((len(run) for run in re.findall("`+", said)), default=0)
    if not longest:
        return f"`{said}`" if said else "` `"
    fence = "`" * (longest + 1)
    return f"{fence} {said} {fence}"


def plain(markdown: str) -> str:
    """The text of a line of Markdown, without its markup."""
    return "".join(map(_text, _parser().parseInline(markdown)[0].children or ()))


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False})


def _text(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return token.content if token.type in ("text", "code_inline", "text_special") else ""
