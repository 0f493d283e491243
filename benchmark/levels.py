"""The levels of every test and interval."""

ALPHA = 0.05
"""The significance level: a corrected p of at most this rejects."""

RULES = 5
"""The version of the rules by which claims are tested; registrations name it.

claims/status.py says which claims a version decides otherwise than the one before."""

LEVEL = 0.95
"""The level of every confidence interval."""

BROKEN_SHARE = 0.2
"""A claim about every run is supported if it is rejected that this share of seeds breaks it."""
