"""Randomness as a function of (seed, stream, step), so that no generator state need be saved."""

import hashlib


def derive(seed: int, stream: str, step: int = 0) -> int:
    """A 63-bit seed for one use of randomness.

    `stream` names the use ("batch", "z_G", ...). Python's own `hash` differs between processes,
    hence BLAKE2.
    """
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
