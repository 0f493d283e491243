"""Where the parts of a procedural face lie, in the figure's frame.

The figure's frame has its origin near the face's middle, x right, y down, and the half image side
as unit. Roll, scale and shift take it to the image; yaw and pitch move the parts inside it.
"""

from dataclasses import dataclass

import numpy as np

from benchmark.data.faces.factors import FaceFactors, Floats, Ints, normal, uniform


@dataclass(frozen=True)
class Shape:
    """A person's own lengths, (N,) each."""

    width: Floats  # half the face's
    height: Floats
    jaw: Floats  # how much the face narrows downward
    square: Floats  # 0 ellipse to 1 angular
    eye_gap: Floats  # centre line to an eye
    eye_y: Floats
    eye_width: Floats
    eye_height: Floats
    slant: Floats
    brow_gap: Floats
    brow_thick: Floats
    brow_tilt: Floats
    nose_y: Floats
    nose_width: Floats
    mouth_y: Floats
    mouth_width: Floats
    lips: Floats
    ear: Floats
    neck: Floats
    hair_volume: Floats
    part: Floats  # side of the parting, -1 to 1
    wave: Floats  # phase of the curls


def shape_of(identity: Ints) -> Shape:
    """The shape of each identity (N,)."""

    def draw(name: str, mean: float, sd: float) -> Floats:
        return normal(identity, f"shape/{name}", sd, mean)

    eye_y = draw("eye_y", -0.02, 0.018)
    nose_y = eye_y + draw("nose_y", 0.265, 0.022)
    return Shape(
        width=draw("width", 0.535, 0.028),
        height=draw("height", 0.70, 0.028),
        jaw=draw("jaw", 0.22, 0.06),
        square=uniform(identity, "shape/square", 0.0, 0.7),
        eye_gap=draw("eye_gap", 0.235, 0.014),
        eye_y=eye_y,
        eye_width=draw("eye_width", 0.138, 0.009),
        eye_height=draw("eye_height", 0.079, 0.009),
        slant=draw("slant", -0.010, 0.010),
        brow_gap=draw("brow_gap", 0.165, 0.013),
        brow_thick=draw("brow_thick", 0.034, 0.009),
        brow_tilt=draw("brow_tilt", 0.0, 0.018),
        nose_y=nose_y,
        nose_width=draw("nose_width", 0.100, 0.016),
        mouth_y=nose_y + draw("mouth_y", 0.185, 0.015),
        mouth_width=draw("mouth_width", 0.225, 0.020),
        lips=draw("lips", 0.040, 0.008),
        ear=draw("ear", 0.135, 0.015),
        neck=draw("neck", 0.30, 0.03),
        hair_volume=draw("hair", 1.0, 0.22),
        part=uniform(identity, "shape/part", -1.0, 1.0),
        wave=uniform(identity, "shape/wave"),
    )


@dataclass(frozen=True)
class Pose:
    """Sines and cosines of the turns, (N,) each."""

    sin_yaw: Floats
    cos_yaw: Floats
    sin_pitch: Floats
    sin_roll: Floats
    cos_roll: Floats


def pose_of(f: FaceFactors) -> Pose:
    yaw, pitch, roll = np.deg2rad(f.yaw), np.deg2rad(f.pitch), np.deg2rad(f.roll)
    return Pose(np.sin(yaw), np.cos(yaw), np.sin(pitch), np.sin(roll), np.cos(roll))


def turned(x: Floats, y: Floats, depth: Floats | float, pose: Pose) -> tuple[Floats, Floats]:
    """Where a point of the upright head, `depth` in front of its axis, lies after yaw and pitch."""
    return x * pose.cos_yaw + depth * pose.sin_yaw, y + depth * pose.sin_pitch


def foreshortening(x: Floats, depth: float, pose: Pose) -> Floats:
    """By how much a width at (x, depth) of the head shrinks or grows under yaw."""
    return np.clip(pose.cos_yaw - x * pose.sin_yaw / depth, 0.35, 1.15)


EYE_DEPTH, NOSE_DEPTH, MOUTH_DEPTH = 0.40, 0.60, 0.46
# How far a full smile lifts the corners against the middle of the mouth.
SMILE = 0.105


def mouth_half_width(f: FaceFactors, s: Shape) -> Floats:
    return s.mouth_width * (1.0 + 0.14 * f.smile - 0.10 * f.mouth_open)
