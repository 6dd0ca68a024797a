"""Stevens operators in the limit of large spin, where components of a spin commute:
homogeneous polynomials, here as symmetric tensors.

O_kq(S) = P_k|q|(S_z, S^2) times the real part of (S_x + i S_y)^q, or for negative q the imaginary part of
(S_x + i S_y)^|q|, with the leading terms P of the operators [C. Rudowicz, J. Phys. C: Solid State Phys. 18, 1415
(1985)]. The operator of a spin S has in its coherent states c_k times this value, c_2 = 1 - 1/2S,
c_4 = 1 - 3/S + 11/4S^2 - 3/4S^3 [D. Dahlbom et al., arXiv:2304.03874]: the crystal-field parameters of operators are
to be multiplied by that.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

Polynomial = dict[tuple[int, int, int], float]
"""Coefficients by the exponents of x, y and z."""

_AXIAL = {
    (2, 0): (3, -1), (2, 1): (1,), (2, 2): (1,),
    (4, 0): (35, -30, 3), (4, 1): (7, -3), (4, 2): (7, -1), (4, 3): (1,), (4, 4): (1,),
    (6, 0): (231, -315, 105, -5), (6, 1): (33, -30, 5), (6, 2): (33, -18, 1), (6, 3): (11, -3), (6, 4): (11, -1),
    (6, 5): (1,), (6, 6): (1,),
}  # fmt: skip
"""By degree k and |q|: coefficients of z^(k - |q|), z^(k - |q| - 2) r^2, ..."""

NAME = re.compile(r"O([246])(-?[0-6])")
"""Name of an operator: O, degree k and order q, as in O40 or O4-3."""


def _times(one: Polynomial, other: Polynomial) -> Polynomial:
    found: Polynomial = {}
    for (a, u), (b, v) in itertools.product(one.items(), other.items()):
        key = (a[0] + b[0], a[1] + b[1], a[2] + b[2])
        found[key] = found.get(key, 0.0) + u * v
    return found


def stevens_function(degree: int, order: int) -> Polynomial:
    """O_kq as a polynomial in the components of the spin."""
    q = abs(order)
    axial: Polynomial = {}
    for number, factor in enumerate(_AXIAL[degree, q]):
        term: Polynomial = {(0, 0, degree - q - 2 * number): float(factor)}
        for _ in range(number):
            term = _times(term, {(2, 0, 0): 1.0, (0, 2, 0): 1.0, (0, 0, 2): 1.0})
        for key, value in term.items():
            axial[key] = axial.get(key, 0.0) + value
    # (x + i y)^q: terms of even powers of y are real, the others imaginary
    parts = {(q - n, n, 0): math.comb(q, n) * (-1) ** (n // 2) for n in range(q + 1) if (n % 2 == 1) == (order < 0)}
    return {key: value for key, value in _times(axial, parts).items() if value}


@cache
def _tensor(degree: int, order: int) -> np.ndarray:
    """The symmetric tensor T with O_kq(S) = sum T_ab... S_a S_b ..., (3,) * k."""
    function, found = stevens_function(degree, order), np.zeros((3,) * degree)
    for index in np.ndindex(*found.shape):
        powers = (index.count(0), index.count(1), index.count(2))
        if powers in function:
            places = math.factorial(degree) // math.prod(math.factorial(n) for n in powers)
            found[index] = function[powers] / places
    return found


def stevens_tensors(coefficients: Mapping[str, float]) -> list[np.ndarray]:
    """The tensors, one of each degree, of a sum of operators by their names: ``{"O40": 1, "O44": 5}`` is cubic."""
    found: dict[int, np.ndarray] = {}
    for name, value in coefficients.items():
        degree, order = (int(part) for part in NAME.fullmatch(name).groups())
        found[degree] = found.get(degree, 0.0) + value * _tensor(degree, order)
    return [found[degree] for degree in sorted(found)]


def stevens_coefficients(tensor: np.ndarray) -> dict[str, float]:
    """The operators of a tensor by their names, those with a coefficient; what is no such operator is left out."""
    degree = tensor.ndim
    found = {}
    for order in range(degree, -degree - 1, -1):
        one = _tensor(degree, order)
        found[f"O{degree}{order}"] = float(np.vdot(one, tensor) / np.vdot(one, one))
    return {name: value for name, value in found.items() if abs(value) > 1e-9}


def turned(tensor: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """A tensor of any rank turned by a rotation (3, 3): of a matrix R M R^T."""
    for axis in range(tensor.ndim):
        tensor = np.moveaxis(np.tensordot(rotation, tensor, axes=(1, axis)), 0, axis)
    return tensor


def contracted(tensor: np.ndarray, vectors: np.ndarray, left: int) -> np.ndarray:
    """A symmetric tensor contracted with each of the vectors (..., 3) until `left` of its indices are left,
    (..., 3, 3, ...).
    """
    found = np.broadcast_to(tensor.reshape(-1), (*vectors.shape[:-1], tensor.size))
    for _ in range(tensor.ndim - left):
        found = np.einsum("...a,...ab->...b", vectors, found.reshape(*vectors.shape, found.shape[-1] // 3))
    return found.reshape((*vectors.shape[:-1], *tensor.shape[:left]))


def describe_operators(operators: Sequence[Mapping[str, float]]) -> str:
    """Sums of Stevens operators in words: ``O40 + 5 O44, and O60 - 21 O64``; each is free by itself."""
    sums = []
    for one in operators:
        text = ""
        for name, value in one.items():
            text += (" - " if value < 0 else " + ") if text else ("-" if value < 0 else "")
            text += name if abs(abs(value) - 1) < 1e-9 else f"{abs(value):.5g} {name}"
        sums.append(text)
    return ", and ".join(sums) or "none"
