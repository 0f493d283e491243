"""How long something takes, in words: one way wherever it is printed."""

MINUTE, HOUR, DAY = 60, 3600, 86400


def duration(seconds: float) -> str:
    """Two figures or so: "80 s", "3 min", "8 h 9 min", "35 h", "5 days 4 h", "128 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if round(seconds / MINUTE) < 90:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 10 * HOUR:
        return _two(seconds, HOUR, "h", MINUTE, "min")
    if round(seconds / HOUR) < 48:
        return f"{seconds / HOUR:.0f} h"
    if seconds < 10 * DAY:
        return _two(seconds, DAY, "days", HOUR, "h")
    return f"{seconds / DAY:.0f} days"


def _two(seconds: float, large: int, name: str, small: int, rest: str) -> str:
    whole, left = divmod(round(seconds / small), large // small)
    return f"{whole} {name} {left} {rest}" if left else f"{whole} {name}"
