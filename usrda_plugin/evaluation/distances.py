"""How far apart two sets of vectors are: by their Gaussians, and by what a linear classifier tells apart."""

from __future__ import annotations

import numpy as np

from usrda_plugin.monitoring.signals import RIDGE

FOLDS = 5
"""Parts of a domain, each of which is tested by what the others teach."""
TINY = 1e-9


def a_distance(source: np.ndarray, target: np.ndarray) -> float:
    """Return 2 (1 - 2 error) of a linear classifier, the proxy A-distance (Ben-David et al., NIPS 2006), in [0, 2].

    ``source`` and ``target`` are (photographs, cells, features). The classifier, a ridge regression on the sign, is
    tested on a fifth of the photographs of each after it has learnt on the others, five times. A fifth is in one piece,
    so that a burst hardly lies on both sides. Both domains count alike, however large they are. nan where one domain
    has a single photograph.
    """
    folds = min(FOLDS, len(source), len(target))
    if folds < 2:
        return float("nan")
    errors = np.zeros(2)
    for held in zip(*(np.array_split(np.arange(len(rows)), folds) for rows in (source, target)), strict=True):
        learnt = [np.delete(rows, numbers, 0).reshape(-1, rows.shape[-1])
                  for rows, numbers in zip((source, target), held, strict=True)]  # fmt: skip
        weights, middle = _classifier(*learnt)
        for domain, (rows, sign) in enumerate(((source, 1), (target, -1))):
            answers = np.sign((rows[held[domain]] - middle) @ weights) * sign
            # an answer of 0 is half wrong
            errors[domain] += (1 - answers).sum() / 2 / answers[0].size / len(rows)
    return max(2 - 4 * float(errors.mean()), 0.0)


def _classifier(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights whose product with a vector minus the middle is above 0 for the source; arguments (cells, features)."""
    means = source.mean(0), target.mean(0)
    middle = (means[0] + means[1]) / 2
    covariance = sum((rows - middle).T @ (rows - middle) / len(rows) for rows in (source, target)) / 2
    spread = np.sqrt(np.diag(covariance)) + TINY
    regular = covariance / np.outer(spread, spread) + RIDGE * np.eye(len(middle))
    return np.linalg.solve(regular, (means[0] - means[1]) / 2 / spread) / spread, middle


def frechet_distance(source: np.ndarray, target: np.ndarray) -> float:
    """Return the Frechet distance of the Gaussians of two sets of vectors, a feature's share of it, from 0.

    Vectors are the last axis. Each feature is divided by its deviation within the domains first, so that units do not
    count: 1 is a shift of every feature by its own deviation.
    """
    first, second = (rows.reshape(-1, rows.shape[-1]) for rows in (source, target))
    scale = np.sqrt((first.var(0) + second.var(0)) / 2)
    scale = np.maximum(scale, TINY * (1 + np.abs(first).max(0) + np.abs(second).max(0)))
    moments = (moment for rows in (first / scale, second / scale) for moment in (rows.mean(0), np.cov(rows.T)))
    return gaussian_frechet(*moments) / first.shape[1]


def gaussian_frechet(mean_s: np.ndarray, cov_s: np.ndarray, mean_t: np.ndarray, cov_t: np.ndarray) -> float:
    """Return |m_s - m_t|^2 + tr(C_s + C_t - 2 (C_s C_t)^(1/2)) (Dowson & Landau 1982), from 0.

    Means (F,), covariances (F, F).
    """
    values, vectors = np.linalg.eigh(np.atleast_2d(cov_s))
    root = vectors * np.sqrt(values.clip(min=0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ np.atleast_2d(cov_t) @ root).clip(min=0)).sum()
    spread = np.trace(np.atleast_2d(cov_s)) + np.trace(np.atleast_2d(cov_t)) - 2 * cross
    return max(float(np.square(mean_s - mean_t).sum() + spread), 0.0)
