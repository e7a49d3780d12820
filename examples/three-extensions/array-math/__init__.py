# SPDX-License-Identifier: MIT
"""Array math: Longley's regression, hard for an unstable method, with numpy 2.x."""

import os
from pathlib import Path

import numpy as np
import pyisolate

TABLE = Path(__file__).with_name("longley.csv")
# The values that NIST certifies for this data: intercept, then a coefficient for each column.
CERTIFIED = np.array(
    [
        -3482258.63459582,
        15.0618722713733,
        -0.0358191792925910,
        -2.02022980381683,
        -1.03322686717359,
        -0.0511041056535807,
        1829.15146461355,
    ]
)


def process() -> dict:
    """Fit the regression, compare it with the certified one, and leave the result with the host."""
    if int(np.__version__.partition(".")[0]) < 2:
        raise RuntimeError(f"declared numpy>=2, got {np.__version__} from {np.__file__}")
    table = np.loadtxt(TABLE, delimiter=",", skiprows=1)
    employed, causes = table[:, 0], table[:, 1:]
    # np.concat and np.matrix_transpose are new in numpy 2.
    design = np.concat([np.ones((len(causes), 1)), causes], axis=1)
    scale = np.linalg.vector_norm(design, axis=0)
    q, r = np.linalg.qr(design / scale)
    coefficients = np.linalg.solve(r, np.matrix_transpose(q) @ employed) / scale
    digits = float(-np.log10(np.max(np.abs(coefficients / CERTIFIED - 1))))
    if digits < 6:
        raise ArithmeticError(f"only {digits:.1f} digits agree with the certified values")
    result = {
        "did": "Array math with numpy 2.x",
        "finding": f"regression over {len(table)} years by QR;"
        f" {digits:.1f} digits agree with the certified values",
        "numpy": np.__version__,
        "pid": os.getpid(),
        "coefficients": coefficients.tolist(),
    }
    pyisolate.singleton("Results").sync.set("array-math", result)
    return result


def review(name: str) -> str:
    """Read what another extension has left with the host."""
    return pyisolate.singleton("Results").sync.get(name)["finding"]
