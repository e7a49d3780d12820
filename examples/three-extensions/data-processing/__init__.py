# SPDX-License-Identifier: MIT
"""Data processing: Fisher's flowers by species, with pandas on numpy 1.x."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyisolate

TABLE = Path(__file__).with_name("iris.csv")
MEASURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def process() -> dict:
    """Summarise the table, and leave the result with the host."""
    if not np.__version__.startswith("1."):
        raise RuntimeError(f"declared numpy<2, got {np.__version__} from {np.__file__}")
    # A name that numpy 2 removed.
    flowers = pd.read_csv(TABLE, dtype=dict.fromkeys(MEASURES, np.float_))
    means = flowers.groupby("species")[MEASURES].mean()
    correlation = flowers["petal_length"].corr(flowers["petal_width"])
    # The measure whose means differ most, as a ratio.
    widest = (means.max() / means.min()).idxmax()
    result = {
        "did": "Data processing with pandas/numpy 1.x",
        "finding": f"{len(flowers)} flowers of {len(means)} species; {widest} tells them apart,"
        f" petals correlate with r = {correlation:.3f}",
        "numpy": np.__version__,
        "pid": os.getpid(),
        "means": {species: row.to_dict() for species, row in means.iterrows()},
    }
    pyisolate.singleton("Results").sync.set("data-processing", result)
    return result


def review(name: str) -> str:
    """Read what another extension has left with the host."""
    return pyisolate.singleton("Results").sync.get(name)["finding"]
