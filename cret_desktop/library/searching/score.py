"""The CRET score in numpy: how well texts match clips. Pure; features become a score only here.

Per frame m the similarity is s_m = <t, v_m> / temperature. GEES' Gaussian closed form over the frames is
mean_m(s_m) + 1/2 * variance_weight * var_m(s_m) (CRET, SIGIR 2022; by the identity that <t, S t>, with S the covariance
of the frames, is the variance of <t, v_m>). CCM adds the mean over centers of the cosine of Z^t_c and Z^v_c.
`training.losses` computes the same in torch; a test compares the two.
"""

from __future__ import annotations

import numpy as np

from cret_desktop.domain.clips import Features, ScoreConfig, Vector


def score(text: Features, clips: Features, config: ScoreConfig) -> Vector:
    """Score Q texts (globals [Q, D], centers [Q, C, D]) against N clips ([N, M, D], [N, C, D]) -> [Q, N]."""
    if config.pooling != "max" and config.variance_weight == 0.0:  # linear: the frames' mean first, at 1/M of the cost
        pooled = text.globals @ clips.globals.mean(axis=1).T / np.float32(config.temperature)
    else:
        pooled = pool_frames(frame_similarities(text, clips), config)
    return np.asarray(pooled + center_similarities(text, clips, config), np.float32)


def frame_similarities(text: Features, clips: Features) -> Vector:
    """Compute <t, v_m> of every text with every frame: [Q, N, M]. The largest marks the frame that matched."""
    n, m, d = clips.globals.shape
    return (text.globals @ clips.globals.reshape(n * m, d).T).reshape(len(text.globals), n, m)


def pool_frames(similarities: Vector, config: ScoreConfig) -> Vector:
    """Pool the similarities of a clip's frames [..., M] to its global score [...]."""
    logits = similarities / np.float32(config.temperature)
    if config.pooling == "max":
        return np.asarray(logits.max(axis=-1), np.float32)
    # Sums by einsum: numpy's reductions over so short an axis take ten times as long, and this runs for every query.
    frames = logits.shape[-1]
    mean = np.einsum("...m->...", logits) / frames
    if config.variance_weight == 0.0:
        return np.asarray(mean, np.float32)
    deviations = logits - mean[..., None]
    variance = np.einsum("...m,...m->...", deviations, deviations) / frames  # biased, as in the model's own default
    return np.asarray(mean + 0.5 * config.variance_weight * variance, np.float32)


def center_similarities(text: Features, clips: Features, config: ScoreConfig) -> Vector:
    """Compute the mean of the centers' cosines, scaled: [Q, N]; zeros if the model has no centers."""
    q, n, c = len(text.globals), len(clips.globals), clips.centers.shape[1]
    if c == 0 or config.center_weight == 0.0:
        return np.zeros((q, n), np.float32)
    cosines = unit(text.centers).reshape(q, -1) @ unit(clips.centers).reshape(n, -1).T / c
    return np.asarray(cosines * (config.center_weight / config.temperature), np.float32)


def unit(vectors: Vector) -> Vector:
    """Scale vectors [..., D] to length 1; a zero vector stays zero."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12), np.float32)
