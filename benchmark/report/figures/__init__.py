"""The pictures of a report, one file a kind; each gives a PNG, or None where there is no data."""
