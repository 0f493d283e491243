"""What may make a step faster, by the names that `performance.stepper` takes."""

BATCH = 16
# Adopted, so that a name undoes one.
UNDONE = {
    "fill": "fresh memory filled with NaN, as deterministic algorithms do by default",
    "loop": "Adam tensor by tensor instead of over lists",
    "contiguous": "torch's default memory format instead of channels-last",
}
# Not adopted: they give other bits.
ADDED = {
    "fused": "fused Adam",
    "shared_z": "one z for both players, so one pass over the fakes (`method.shared_z`)",
    "joined": "D's passes over x and G(z_D) as one batch of twice the size",
    "relu": "ReLU for ELU, which no faster ELU can beat (another network)",
    "bfloat16": "bfloat16 (`training.precision`)",
    "compiled": "`torch.compile` of both networks",
}
