"""The pictures of a report, one file per kind; each returns an image, or None without data."""
