"""Colours of glyphs."""

import numpy as np

#: Colours of the strongest peak of a voxel, the second, the third ...; told apart by colour-blind readers too
#: (Okabe and Ito 2008).
PEAK_COLOURS = np.array([[86, 180, 233], [230, 159, 0], [0, 158, 115], [204, 121, 167], [240, 228, 66]], dtype=np.uint8)
#: From sure to unsure, evenly spread from 0 to ``MOST_UNCERTAIN`` degrees.
UNCERTAINTY_COLOURS = np.array([[80, 170, 255], [190, 235, 245], [255, 225, 110], [250, 140, 40], [215, 40, 40]])
MOST_UNCERTAIN = 30.0
#: Colour of negative lobes.
NEGATIVE_COLOUR = np.array([150, 150, 150])


def direction_colours(directions: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 of (..., 3) unit vectors in the world: |x| red, |y| green, |z| blue.

    The usual colours of diffusion MRI (Pajevic and Pierpaoli, Magn Reson Med 42:526, 1999), all a little lighter,
    or blue would be too dark to see on black.
    """
    return (255 * (0.15 + 0.85 * np.minimum(np.abs(directions), 1))).astype(np.uint8)


def peak_colours(numbers: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 of (N,) numbers of peaks: 0 for the strongest of a voxel."""
    return PEAK_COLOURS[numbers % len(PEAK_COLOURS)]


def uncertainty_colours(degrees: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 of (N,) angles in degrees."""
    places = np.linspace(0, MOST_UNCERTAIN, len(UNCERTAINTY_COLOURS))
    channels = [np.interp(degrees, places, UNCERTAINTY_COLOURS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)
