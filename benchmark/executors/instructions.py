"""The vector instructions of a worker, which decide in which order its sums are added.

A processor with AVX-512 gives other last bits than one with AVX2, and after some thousand steps
other digits. Told to use AVX2 alone, it gives those of AVX2.
"""

# What torch's own kernels, oneDNN's convolutions, MKL's and OpenBLAS's products obey.
_VARIABLES = {
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    }
}
NAMES = tuple(_VARIABLES)


def variables(wanted: str | None) -> dict[str, str]:
    """What the environment of a new worker needs to be held to `wanted`, as torch names it.

    Nothing where this process has those already, or where no processor can be held to them.
    """
    if wanted not in _VARIABLES:
        return {}
    import torch

    return {} if torch.backends.cpu.get_cpu_capability() == wanted else _VARIABLES[wanted]
