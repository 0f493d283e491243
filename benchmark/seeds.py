"""Randomness as a function of (seed, stream, step), so that no generator state needs saving."""

import hashlib


def derive(seed: int, stream: str, step: int = 0) -> int:
    """A 63-bit seed for one use of randomness.

    `stream` names the use ("batch", "z_G", ...). Python's own `hash` differs between processes,
    hence BLAKE2. A stream named after a file may hold bytes that are not UTF-8.
    """
    text = f"{seed}/{stream}/{step}".encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
