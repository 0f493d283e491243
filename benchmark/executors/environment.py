"""The environment of a worker: settings for other programs must not affect a run's bits."""

import os
from collections.abc import Mapping
from pathlib import Path

from benchmark.executors import allocator

# They change how Python starts and what its libraries compute. A run's threads, precision and
# instructions are set by its description and by options alone.
_DROPPED = (
    *("PYTHON", "OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_"),
    *("NPY_", "NUMEXPR_", "ONEDNN_", "DNNL_", "ATEN_", "TORCH", "PYTORCH_", "CUDNN_", "MLFLOW_"),
    "NVIDIA_TF32_OVERRIDE",
)
# Of these, what says where files lie, and how a GPU's memory is given out.
_KEPT = {
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONPLATLIBDIR"),
    *("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"),
    *("TORCH_HOME", "TORCH_EXTENSIONS_DIR", "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"),
}
_SET = {
    "PYTHONHASHSEED": "0",  # a method may go through a set
    "PYTHONUTF8": "1",  # whatever the locale
    "PYTHONIOENCODING": "utf-8:backslashreplace",
}


def environment(found: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment of a worker started in `folder`, given the current one, `found`."""
    kept = {k: v for k, v in found.items() if k in _KEPT or not k.startswith(_DROPPED)}
    if "PYTHONPATH" in kept:
        kept["PYTHONPATH"] = _without(kept["PYTHONPATH"], folder)
    return {**kept, **_SET, **allocator.variables(kept)}


def _without(path: str, folder: Path) -> str:
    """PYTHONPATH without the working folder, whose files would replace those of libraries.

    An empty part means it too. What lies there is found all the same, after the libraries; the
    folder of the package itself stays.
    """
    parts = [part for part in path.split(os.pathsep) if part]
    here = folder.resolve()
    if here != Path(__file__).resolve().parents[2]:
        parts = [part for part in parts if Path(folder, part).resolve() != here]
    return os.pathsep.join(parts)
