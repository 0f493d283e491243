"""Files of weights, checkpoints and snapshots: `<step>-<sum>.safetensors`.

The sum is the first 16 digits of the SHA-256 of the file, so that one atomic rename publishes the
weights and their checksum together.
"""

import hashlib
from pathlib import Path


def listed(folder: Path) -> list[Path]:
    """All such files in a folder, the newest last."""
    return sorted(folder.glob(f"{'[0-9]' * 8}-*.safetensors"))


def short_sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def is_whole(path: Path, data: bytes) -> bool:
    """Whether these bytes of a file are those that it is named after."""
    return path.stem.partition("-")[2] == short_sum(data)
