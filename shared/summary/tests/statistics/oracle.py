"""Writes golden.json: the statistics of small matrices, from their formulas, by numpy and exact fractions.

    python -m venv /tmp/oracle && /tmp/oracle/bin/pip install numpy==2.* && /tmp/oracle/bin/python oracle.py

Each formula is written as it stands in the literature: covariance matrices in full, the C-score pair by pair. The
arithmetic is that of whole numbers and fractions, so that every golden figure is right to its last digit.
"""

import json
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np

fraction = np.frompyfunc(Fraction, 1, 1)


def number(value):
    return None if value is None else float(value)


def numbers(values):
    return [float(value) for value in values]


def quotient(numerator, denominator):
    return None if denominator == 0 else Fraction(numerator) / Fraction(denominator)


def covariance(x, margins, size):
    """XXᵀ/size − (margins/size)(margins/size)ᵀ, for X with the variables as rows."""
    share = fraction(margins) / size
    return fraction(x @ x.T) / size - np.outer(share, share)


def statistics(matrix):
    x = matrix[matrix.any(axis=1)][:, matrix.any(axis=0)].astype(np.int64)
    n, s = x.shape
    alpha, omega = x.sum(axis=1), x.sum(axis=0)
    phi, psi = x @ omega, alpha @ x
    a, o = fraction(alpha), fraction(omega)
    sigma_sites = covariance(x, alpha, s) if x.size else np.zeros((0, 0))
    sigma_species = covariance(x.T, omega, n) if x.size else np.zeros((0, 0))
    shared = x.T @ x
    pairs = list(combinations(range(s), 2))
    units = sum(int((omega[i] - shared[i, j]) * (omega[j] - shared[i, j])) for i, j in pairs)
    mean = o / n if n else o
    squares = sum((sum((Fraction(int(v)) - m) ** 2 for v in column)) for column, m in zip(x.T, mean))
    whole = {
        "gamma": s,
        "whittaker_beta": number(s / sum(o / n)) if n else None,
        "lande_beta": number(s - sum(o / n)) if n else None,
        "legendre_beta": number(sum(o) - sum(o**2) / n) if n else None,
        "legendre_bd": number(squares / (n - 1)) if n > 1 else None,
        "schluter_sites_variance_ratio": number(quotient(sigma_sites.sum(), np.trace(sigma_sites))),
        "schluter_species_variance_ratio": number(quotient(sigma_species.sum(), np.trace(sigma_species))),
        "c_score": number(quotient(units, len(pairs))),
    }
    result = {
        "matrix": ["".join(map(str, row)) for row in matrix.astype(int)],
        "alpha": alpha.tolist(),
        "alpha_proportional": numbers(a / s if s else a),
        "phi": phi.tolist(),
        "phi_average_proportional": numbers(fraction(phi) / (n * a)),
        "beta": numbers(s / a),
        "omega": omega.tolist(),
        "omega_proportional": numbers(mean),
        "psi": psi.tolist(),
        "psi_average_proportional": numbers(fraction(psi) / (s * o)),
        "diversity": whole,
    }
    if x.size <= 600:
        result["sigma_sites"] = [numbers(row) for row in sigma_sites]
        result["sigma_species"] = [numbers(row) for row in sigma_species]
    return result


def matrices():
    for shape in [(0, 0), (1, 1), (1, 2), (2, 1), (1, 7), (7, 1), (3, 4)]:
        yield np.ones(shape, dtype=bool)  # nothing varies
    yield np.zeros((3, 2), dtype=bool)  # nothing is left
    yield np.eye(2, dtype=bool)
    yield np.eye(6, dtype=bool)
    yield np.indices((6, 4)).sum(axis=0) % 2 == 0  # a checkerboard
    yield np.tri(5, 7, 2, dtype=bool)  # nested
    random = np.random.default_rng(20261123)
    for shape, share in [
        ((2, 2), 0.6), ((2, 9), 0.5), ((9, 2), 0.5), ((5, 5), 0.3), ((12, 8), 0.2), ((8, 30), 0.4), ((20, 30), 0.15),
        ((60, 40), 0.5), ((40, 90), 0.05), ((90, 120), 0.9), ((120, 90), 0.02),
    ]:  # fmt: skip
        yield random.random(shape) < share
    ranges = random.random(150) ** 4  # few species are everywhere, most are rare
    yield random.random((100, 150)) < ranges


if __name__ == "__main__":
    cases = [statistics(matrix) for matrix in matrices()]
    text = "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n"
    Path(__file__).with_name("golden.json").write_text(text)
