"""The convolutions of VGG19 (configuration E of Simonyan & Zisserman 2015) on 32 × 32 pictures, as plain numbers.

No torch: what lists experiments and their cost must answer at once.
"""

from __future__ import annotations

SIDE, COLOURS, FEATURES = 32, 3, 512
STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and convolutions before each halving of the side."""


def convolutions() -> list[tuple[int, int, int]]:
    """(channels in, channels out, side) of each 3 × 3 convolution, from the input to the output."""
    layers, before, side = [], COLOURS, SIDE
    for channels, count in STAGES:
        for _ in range(count):
            layers.append((before, channels, side))
            before = channels
        side //= 2
    return layers


def multiplications(classes: int) -> int:
    """Multiplications of one sample's forward pass, with a linear read-out of ``classes``."""
    return sum(9 * before * after * side**2 for before, after, side in convolutions()) + FEATURES * classes
