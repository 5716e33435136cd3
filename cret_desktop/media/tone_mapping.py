"""Converts HDR pictures to natural SDR ones, by lookup in numpy.

The display light is reconstructed (PQ: SMPTE ST 2084; HLG: ITU-R BT.2100 with the 1,000 cd/m² display gamma), converted
from BT.2020 to BT.709 primaries, rolled off towards white and encoded as sRGB. Diffuse white is 203 cd/m² (ITU-R
BT.2408). Works on small pictures; this module never decodes and never scales.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Transfer = Literal["pq", "hlg", "sdr"]

DIFFUSE_WHITE = 203.0  # cd/m², ITU-R BT.2408
_HLG_PEAK = 1000.0  # cd/m²
_HLG_GAMMA = 1.2  # BT.2100 system gamma at 1,000 cd/m²
_KNEE = 0.6  # relative to diffuse white: darker light is unchanged
_LUT_BITS = 12
_BT2020_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]],
    np.float32,
)
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)


def to_sdr(picture: NDArray[np.uint16], transfer: Transfer, wide_gamut: bool) -> NDArray[np.uint8]:
    """Convert non-linear full-range RGB [H, W, 3] uint16 to sRGB [H, W, 3] uint8.

    `transfer` is the picture's encoding, `wide_gamut` whether its primaries are BT.2020's.
    """
    light = _light_table(transfer)[picture >> (16 - _LUT_BITS)]
    if transfer == "hlg":
        scene_luma = np.maximum(light @ _BT2020_LUMA, 1e-6)
        light *= (scene_luma ** (_HLG_GAMMA - 1.0) * (_HLG_PEAK / DIFFUSE_WHITE))[..., None]
    if wide_gamut:
        light = light @ _BT2020_TO_BT709.T
    light = np.maximum(light, 0.0)
    if transfer != "sdr":
        # One factor for the three channels keeps the hue; taking it from the largest keeps every channel in range.
        peak = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
        light *= _roll_off(peak) / peak
    codes = np.minimum(light, 1.0) * ((1 << _LUT_BITS) - 1)
    sdr: NDArray[np.uint8] = _srgb_table()[(codes + 0.5).astype(np.uint16)]
    return sdr


def _roll_off(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return light unchanged up to the knee, then on a hyperbola of equal slope that nears 1 (Reinhard's shoulder)."""
    over = np.maximum(light - _KNEE, 0.0) / (1.0 - _KNEE)
    rolled: NDArray[np.float32] = np.minimum(light, _KNEE) + (1.0 - _KNEE) * over / (1.0 + over)
    return rolled


@lru_cache(maxsize=3)
def _light_table(transfer: Transfer) -> NDArray[np.float32]:
    """Return the table code -> light: relative to diffuse white for PQ and SDR, scene light in [0, 1] for HLG."""
    code = np.linspace(0.0, 1.0, 1 << _LUT_BITS)
    if transfer == "pq":
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        power = code ** (1 / m2)
        light = 10_000.0 * (np.maximum(power - c1, 0.0) / (c2 - c3 * power)) ** (1 / m1) / DIFFUSE_WHITE
    elif transfer == "hlg":
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3.0, (np.exp((code - c) / a) + b) / 12.0)
    else:
        light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)  # the inverse of the output's
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _srgb_table() -> NDArray[np.uint8]:
    light = np.linspace(0.0, 1.0, 1 << _LUT_BITS)
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(code * 255.0).astype(np.uint8)
