"""The levels of every test and interval."""

ALPHA = 0.05
"""Rejected: a corrected p of at most this."""

RULES = 3
"""The version of the rules by which claims are tested; registrations name it."""

LEVEL = 0.95
"""Of every confidence interval."""

BROKEN_SHARE = 0.2
"""A claim about every run is supported where it is rejected that so many seeds break it."""
