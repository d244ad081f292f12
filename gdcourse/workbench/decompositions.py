"""Eigenvectors and QR of a matrix that is a list of rows of floats, for where there is no LAPACK."""

from __future__ import annotations

import math

Rows = list[list[float]]

SWEEPS = 60
"""More than Jacobi's rotations need: what is not diagonal after them never will be."""
ROUNDING = 2.0**-53


def identity(n: int) -> Rows:
    return [[float(i == j) for j in range(n)] for i in range(n)]


def eigh(rows: Rows) -> tuple[list[float], Rows]:
    """The eigenvalues of a symmetric matrix, the smallest first, and its eigenvectors as columns, by cyclic
    Jacobi; of the entries above the diagonal none is read. NaN, where an entry is not finite."""
    n = len(rows)
    lower = [[rows[max(i, j)][min(i, j)] for j in range(n)] for i in range(n)]
    if not all(math.isfinite(x) for row in lower for x in row):
        return [math.nan] * n, [[math.nan] * n for _ in range(n)]
    size = max((abs(x) for row in lower for x in row), default=0.0)
    exponent = math.frexp(size)[1]  # by a power of two nothing is rounded, and no square is too large
    A = [[math.ldexp(x, -exponent) for x in row] for row in lower]
    V = identity(n)
    for _ in range(SWEEPS):
        if not sweep(A, V):
            break
    order = sorted(range(n), key=lambda i: A[i][i])
    return [math.ldexp(A[i][i], exponent) for i in order], [[row[i] for i in order] for row in V]


def sweep(A: Rows, V: Rows) -> bool:
    """Turn each pair of axes so that their entry of A is 0, and V with them. Whether one had to be turned."""
    turned = False
    for p in range(len(A)):
        for q in range(p + 1, len(A)):
            if abs(A[p][q]) > ROUNDING * math.sqrt(abs(A[p][p])) * math.sqrt(abs(A[q][q])):
                rotate(A, V, p, q)
                turned = True
    return turned


def rotate(A: Rows, V: Rows, p: int, q: int) -> None:
    """One rotation, by the smaller of the two angles that do it (Rutishauser's formulas)."""
    apart = (A[q][q] - A[p][p]) / (2 * A[p][q])
    t = math.copysign(1.0, apart) / (abs(apart) + math.hypot(apart, 1.0))
    c = 1 / math.hypot(t, 1.0)
    s = t * c
    A[p][p], A[q][q] = A[p][p] - t * A[p][q], A[q][q] + t * A[p][q]
    A[p][q] = A[q][p] = 0.0
    for r in range(len(A)):
        if r not in (p, q):
            A[r][p], A[r][q] = c * A[r][p] - s * A[r][q], s * A[r][p] + c * A[r][q]
            A[p][r], A[q][r] = A[r][p], A[r][q]
        V[r][p], V[r][q] = c * V[r][p] - s * V[r][q], s * V[r][p] + c * V[r][q]


def qr(rows: Rows) -> tuple[Rows, Rows]:
    """Q and R of a matrix, by reflections with LAPACK's signs: a diagonal entry of R has the sign that its
    column did not have, and a column with nothing to reflect, such as the last of a square, keeps its own."""
    n, m = len(rows), len(rows[0])
    R = [list(row) for row in rows]
    reflections: list[tuple[list[float], float, int]] = []
    for k in range(min(n, m)):
        v, tau = reflection([R[i][k] for i in range(k, n)])
        reflect(R, v, tau, k)
        for i in range(k + 1, n):
            R[i][k] = 0.0
        reflections.append((v, tau, k))
    Q = identity(n)
    for v, tau, k in reversed(reflections):
        reflect(Q, v, tau, k)
    rank = min(n, m)
    return [row[:rank] for row in Q], R[:rank]


def reflection(x: list[float]) -> tuple[list[float], float]:
    """v, with a 1 in front, and τ, for which x − τ v (vᵀx) is 0 but for its first entry."""
    first, *rest = x
    if not any(rest):
        return [1.0, *rest], 0.0
    length = -math.copysign(math.hypot(*x), first)
    return [1.0, *(one / (first - length) for one in rest)], (length - first) / length


def reflect(A: Rows, v: list[float], tau: float, k: int) -> None:
    """A − τ v (vᵀA), for a v that begins in row k."""
    for j in range(len(A[0])):
        along = tau * sum(x * A[k + i][j] for i, x in enumerate(v))
        for i, x in enumerate(v):
            A[k + i][j] -= x * along
