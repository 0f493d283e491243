"""The known factors of a procedural face: what may vary, and its value for every index.

Nothing here keeps state. A value is a hash of (index, name of the factor), so that index i has the
same face in any batch and any process.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HAIR_STYLES = (
    "bald", "receding", "buzz", "short", "quiff", "side part", "curly",
    "afro", "bob", "fringe", "long", "long wavy", "bun",
)  # fmt: skip
BEARDS = ("none", "stubble", "full", "moustache", "goatee")
GLASSES = ("none", "clear", "dark")
NECKLINES = ("crew", "round", "v", "collar")

# How often, of 100, each hair style is worn by the two groups that the factors correlate in.
_HAIR_MEN = (9, 10, 12, 22, 12, 16, 8, 4, 1, 1, 3, 2, 0)
_HAIR_WOMEN = (1, 0, 1, 5, 1, 5, 6, 7, 18, 15, 19, 14, 8)
# Black, dark brown, brown, chestnut, auburn, dark blond, blond, grey, dyed.
HAIR_RGB = np.array(
    [
        (0.09, 0.08, 0.09), (0.20, 0.13, 0.09), (0.33, 0.20, 0.12), (0.42, 0.22, 0.12),
        (0.62, 0.27, 0.12), (0.60, 0.44, 0.24), (0.88, 0.72, 0.42), (0.68, 0.68, 0.70),
        (0.55, 0.25, 0.45),
    ]
)  # fmt: skip
EYE_RGB = np.array(
    [(0.18, 0.10, 0.06), (0.30, 0.18, 0.08), (0.36, 0.36, 0.16), (0.20, 0.42, 0.30),
     (0.22, 0.42, 0.66), (0.40, 0.48, 0.54)]
)  # fmt: skip
_HAIR_COLOURS = (20, 20, 17, 10, 8, 9, 8, 6, 2)
_EYE_COLOURS = (32, 22, 12, 12, 14, 8)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele et al., OOPSLA 2014): one step on every element."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def hashed(keys: Ints, name: str) -> NDArray[np.uint64]:
    """64 random bits for each key (N,) under `name`."""
    salt = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
    return _mix(_mix(np.ascontiguousarray(keys, dtype=np.int64).view(np.uint64)) ^ np.uint64(salt))


def uniform(keys: Ints, name: str, low: float = 0.0, high: float = 1.0) -> Floats:
    """Uniform in [low, high), (N,)."""
    unit: Floats = (hashed(keys, name) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return low + (high - low) * unit


def normal(keys: Ints, name: str, sd: float = 1.0, mean: float = 0.0) -> Floats:
    """Normal but for its tails, (N,): four uniform lanes summed, so that all lie within 3.5 sd."""
    bits = hashed(keys, name)
    lanes = [(bits >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)]
    total = (lanes[0] + lanes[1] + lanes[2] + lanes[3]).astype(np.float64)
    centred: Floats = (total + 2.0) / 65536.0 - 2.0
    return mean + sd * sqrt(3.0) * centred


def choice(keys: Ints, name: str, weights: Sequence[float]) -> Ints:
    """Positions in `weights`, (N,), drawn in proportion to them."""
    edges = np.cumsum(weights)
    drawn: Ints = np.searchsorted(edges, uniform(keys, name) * edges[-1], side="right")
    return drawn.astype(np.int64)


@dataclass(frozen=True)
class FaceFactors:
    """Everything that decides N images; each field has N rows. `dataclasses.replace` changes some.

    Angles are in degrees. Lengths are in half image sides.
    """

    identity: Ints  # decides the shape of head, eyes, nose, mouth and ears
    skin: Floats  # 0 light to 1 dark
    hair_style: Ints  # position in HAIR_STYLES
    hair_colour: Ints  # row of HAIR_RGB
    eye_colour: Ints  # row of EYE_RGB
    beard: Ints  # position in BEARDS
    glasses: Ints  # position in GLASSES
    makeup: Floats  # 0 none to 1: lips, lashes
    smile: Floats  # -1 frown to 1 smile
    mouth_open: Floats  # 0 to 1
    eye_open: Floats  # 0 shut to 1
    gaze: Floats  # -1 to the image's left, 1 to its right
    brow_raise: Floats  # -1 to 1
    yaw: Floats  # positive: the nose points to the image's right
    pitch: Floats  # positive: the nose points down
    roll: Floats  # about the image's centre, positive: clockwise as seen
    light: Floats  # -1 from the image's left, 1 from its right
    light_height: Floats  # -1 from below, 1 from above
    background: Floats  # (N, 2, 3) RGB in [0, 1] at the two ends of the gradient
    gradient: Floats  # (N, 2) direction of the gradient
    clothing: Floats  # (N, 3) RGB in [0, 1]
    neckline: Ints  # position in NECKLINES
    scale: Floats  # of the whole figure
    shift: Floats  # (N, 2) of the figure, right and down

    def __len__(self) -> int:
        return len(self.identity)

    def rows(self, start: int, stop: int) -> "FaceFactors":
        return FaceFactors(**{f.name: getattr(self, f.name)[start:stop] for f in fields(self)})


def factors(indices: Ints) -> FaceFactors:
    """The factors of the default set: upright (roll's sd is 3 degrees), roughly centred faces.

    Every index is another person. As in photographs, some factors go together: makeup, beards and
    hair styles come in two groups.
    """
    i = np.asarray(indices, dtype=np.int64)
    woman = uniform(i, "group") < 0.5
    style = np.where(woman, choice(i, "hair/w", _HAIR_WOMEN), choice(i, "hair/m", _HAIR_MEN))
    makeup = np.where(woman, uniform(i, "makeup") ** 2, 0.0)
    beard = np.where(woman, 0, choice(i, "beard", (52, 18, 16, 6, 8)))
    tone = uniform(i, "skin")
    skin = tone * (0.6 + 0.4 * tone)
    # Dark skin goes with dark hair and eyes three times of four.
    dark = (skin > 0.55) & (uniform(i, "dark") < 0.75)
    hair = np.where(dark, choice(i, "hair/dark", (65, 35)), choice(i, "hair/any", _HAIR_COLOURS))
    eyes = np.where(dark, choice(i, "eye/dark", (70, 30)), choice(i, "eye/any", _EYE_COLOURS))
    mouth_open = np.maximum(0.0, uniform(i, "open", -0.9, 1.0))
    return FaceFactors(
        identity=i,
        skin=skin,
        hair_style=style,
        hair_colour=hair,
        eye_colour=eyes,
        beard=beard,
        glasses=choice(i, "glasses", (84, 12, 4)),
        makeup=makeup,
        smile=np.clip(normal(i, "smile", 0.5, 0.4), -1.0, 1.0),
        mouth_open=mouth_open,
        eye_open=np.where(uniform(i, "blink") < 0.03, 0.08, uniform(i, "eye/open", 0.7, 1.0)),
        gaze=np.clip(normal(i, "gaze", 0.35), -1.0, 1.0),
        brow_raise=np.clip(normal(i, "brow", 0.45), -1.0, 1.0),
        yaw=normal(i, "yaw", 11.0),
        pitch=normal(i, "pitch", 4.0),
        roll=normal(i, "roll", 3.0),
        light=np.clip(normal(i, "light", 0.55), -1.0, 1.0),
        light_height=np.clip(normal(i, "light/height", 0.3, 0.35), -1.0, 1.0),
        background=_background(i),
        gradient=np.stack([uniform(i, "gradient/x", -1, 1), uniform(i, "gradient/y", -1, 1)], 1),
        clothing=_colour(i, "clothing", saturation=0.75, low=0.06, high=0.95),
        neckline=choice(i, "neckline", (30, 25, 25, 20)),
        scale=normal(i, "scale", 0.035, 1.08),
        shift=np.stack([normal(i, "shift/x", 0.025), normal(i, "shift/y", 0.02)], axis=1),
    )


def _background(i: Ints) -> Floats:
    """Two ends (N, 2, 3), related: the second is the first, darker or lighter, and drifted."""
    first = _colour(i, "background", saturation=0.55, low=0.25, high=1.0)
    drift = _colour(i, "background/drift", saturation=0.5, low=0.1, high=1.0)
    mix = uniform(i, "background/mix", 0.15, 0.65)[:, None]
    return np.stack([first, first * (1 - mix) + drift * mix], axis=1)


def _colour(i: Ints, name: str, saturation: float, low: float, high: float) -> Floats:
    """Colours (N, 3): hue anywhere, value in [low, high), saturation mostly well under its top."""
    hue = uniform(i, f"{name}/hue", 0.0, 6.0)[:, None]
    value = uniform(i, f"{name}/value", low, high)[:, None]
    amount = saturation * uniform(i, f"{name}/saturation")[:, None]
    # The usual hexcone: each channel is a trapezoid in the hue.
    ramp: Floats = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    return value * (1.0 - amount + amount * ramp)
