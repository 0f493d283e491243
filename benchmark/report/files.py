"""Writing the report's files."""

import tempfile
from pathlib import Path

from benchmark.errors import BenchError


def write(path: Path, content: bytes) -> None:
    """Whole or not at all; untouched where the content stands already.

    Raises BenchError where the file cannot be written.
    """
    temporary = None
    try:
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise BenchError(
            f"{path}: cannot be written ({error.strerror}); make {path.parent} writable and run"
            " `bench report` again"
        ) from None
