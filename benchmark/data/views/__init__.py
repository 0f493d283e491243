"""Ways of seeing the same people: one file each, and what they share.

Each maps the photographs' annotations to squares (`squares`) and the factors of procedural faces to
those of the same faces in that view (`drawn`). `square.py` samples the squares.
"""
