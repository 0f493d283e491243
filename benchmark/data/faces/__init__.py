"""Procedural faces: known factors, where the parts lie, and how they are painted."""
