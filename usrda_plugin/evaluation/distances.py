"""How far apart two sets of vectors are: by their Gaussians, and by what a linear classifier tells apart."""

from __future__ import annotations

import numpy as np
import torch

from usrda_plugin.monitoring.measurement import evenly_spaced
from usrda_plugin.monitoring.signals import proxy_a_distance

TINY = 1e-9


def a_distance(source: np.ndarray, target: np.ndarray) -> float:
    """Return 2 (1 - 2 error) of a linear classifier, the proxy A-distance (Ben-David et al., NIPS 2006), in [0, 2].

    ``source`` and ``target`` are (photographs, cells, features). The classifier learns on one half of the photographs
    of each and is tested on the other, then the other way round; a photograph is whole in one half. The halves are the
    first and the last photographs, so that a burst does not lie in both. Of the larger domain as many photographs are
    taken as the smaller has, evenly spaced. nan where one domain has a single photograph.
    """
    count = min(len(source), len(target))
    pair = (torch.from_numpy(rows[evenly_spaced(len(rows), count)][_halves(count)]) for rows in (source, target))
    return float(proxy_a_distance(*pair))


def _halves(count: int) -> np.ndarray:
    """The order in which every other number is of the first half: 0, 3, 1, 4, 2 of five."""
    order = np.empty(count, int)
    order[::2], order[1::2] = np.split(np.arange(count), [(count + 1) // 2])
    return order


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
