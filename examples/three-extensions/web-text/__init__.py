# SPDX-License-Identifier: MIT
"""Web text: the words of two texts on a web page, with BeautifulSoup and scipy."""

import os
import re
from collections import Counter
from pathlib import Path

import bs4
import numpy as np
import pyisolate
import scipy
from scipy import sparse, stats

PAGE = Path(__file__).with_name("page.html")


def words_of(article: bs4.Tag) -> list:
    paragraphs = article.select("p:not(.by)")
    return re.findall(r"[a-z]+", " ".join(p.get_text(" ") for p in paragraphs).lower())


def process() -> dict:
    """Compare the two texts of the page, and leave the result with the host."""
    versions = [int(part) for part in bs4.__version__.split(".")[:2]]
    if versions < [4, 12] or not scipy.__version__.startswith("1."):
        raise RuntimeError(f"got beautifulsoup4 {bs4.__version__}, scipy {scipy.__version__}")
    page = bs4.BeautifulSoup(PAGE.read_text(encoding="utf-8"), "html.parser")
    texts = {article["id"]: words_of(article) for article in page.find_all("article")}
    counts = [Counter(words) for words in texts.values()]
    vocabulary = sorted(set().union(*counts))
    matrix = sparse.csr_matrix([[count[word] for word in vocabulary] for count in counts])
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    similarity = float((matrix @ matrix.T).toarray()[0, 1] / (lengths[0] * lengths[1]).item())
    # Zipf's law: the frequency of a word falls with its rank, on a line in the logarithms.
    frequencies = sorted(sum(counts, Counter()).values(), reverse=True)
    ranks = range(1, len(frequencies) + 1)
    zipf = stats.linregress(np.log(ranks), np.log(frequencies))
    result = {
        "did": "Web text with BeautifulSoup/scipy",
        "finding": f"{sum(frequencies)} words in {len(texts)} texts, cosine similarity"
        f" {similarity:.3f}, Zipf exponent {-zipf.slope:.3f}",
        "numpy": np.__version__,
        "pid": os.getpid(),
        "words": {name: len(words) for name, words in texts.items()},
    }
    pyisolate.singleton("Results").sync.set("web-text", result)
    return result


def review(name: str) -> str:
    """Read what another extension has left with the host."""
    return pyisolate.singleton("Results").sync.get(name)["finding"]
