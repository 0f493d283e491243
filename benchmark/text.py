"""Text from other people, made safe for a line of a terminal, a table or a figure."""

import re
import textwrap

# All but the tab and the line feed; and lone surrogates, which no file can hold.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def visible(text: str) -> str:
    """The same with control characters as escapes, as in \\x1b; lines and tabs stay."""
    return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def single_line(text: str) -> str:
    """The same on one line, with single blanks where it had breaks and tabs."""
    return visible(re.sub(r"\s*[\n\t\r\v\f\x85\u2028\u2029]\s*", " ", text).strip())


def counted(count: int, noun: str) -> str:
    """The number with its noun in the singular or plural: 1 seed, 5 seeds."""
    return f"{count} {noun}{'s' * (count != 1)}"


def folded(line: str, width: int) -> list[str]:
    """The same as lines of at most this width; no word is broken, and all but the first indent."""
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def shortened(text: str, most: int) -> str:
    """At most `most` characters, with "…" in place of the middle."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"
