"""YAML written by people: one document of plain values, or a one-line error."""

import warnings
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import ReusedAnchorWarning, YAMLError

from benchmark.ablation.messages import found
from benchmark.errors import InputError
from benchmark.text import UNPRINTABLE

MOST_BITS = 1024
"""Of a whole number."""


def parse(text: str) -> Any:
    """Text, numbers, true, false, null, lists of them and blocks of KEY: VALUE with text for keys.

    -0.0 is 0.0, the same number. Raises InputError for anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # YAML allows it
            loaded = YAML(typ="safe", pure=True).load(text)
        return _plain("file", loaded)
    except InputError:
        raise
    except RecursionError:  # an alias inside its own anchor, too
        raise InputError("nested too deeply for an ablation file") from None
    except YAMLError as error:
        raise InputError(f"not YAML: {' '.join(str(error).split())[:200]}") from None
    except ValueError as error:  # of thousands of digits, or tagged as a number and none
        raise InputError(f"Invalid number: {' '.join(str(error).split())[:80]}") from None
    except Exception as error:  # as a KeyError at `!!bool maybe`: the parser's faults are not ours
        raise InputError(f"Invalid value: {str(error)[:80] or type(error).__name__}") from None


def _plain(at: str, written: Any) -> Any:
    """A copy of what YAML gave below a key."""
    if isinstance(written, dict):
        return {_key(at, key): _plain(key, each) for key, each in written.items()}
    if isinstance(written, list):
        return [_plain(at, each) for each in written]
    if isinstance(written, str):
        return _text(at, written)
    if isinstance(written, int) and written.bit_length() > MOST_BITS:
        raise InputError(f"{at}: Invalid number: of more than {MOST_BITS} bits")
    if written is None or isinstance(written, bool | int):
        return written
    if isinstance(written, float):
        return written or 0.0
    raise InputError(
        f"{at}: {found(written)} ({type(written).__name__}); allowed: text, numbers, true, "
        "false, null, lists and blocks; put text in quotes"
    )


def _key(at: str, key: Any) -> str:
    if not isinstance(key, str):
        raise InputError(f"{at}: Invalid key {found(key, '')}: not text; put it in quotes")
    return _text(at, key)


def _text(at: str, text: str) -> str:
    if character := UNPRINTABLE.search(text):
        raise InputError(
            f"{at}: Invalid text {found(text, '')}: it holds {character[0]!a}, a control character"
        )
    return text
