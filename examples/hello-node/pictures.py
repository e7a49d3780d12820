# SPDX-License-Identifier: MIT
"""The host's pictures: drawn and written with nothing but Python's own library."""

import math
import struct
import zlib

import pyisolate

WIDTH, HEIGHT = 320, 200


def draw():
    """A sunrise over hills, in memory that is shared from the start: a node gets it without a copy.

    It is a NumPy array, or without NumPy a pyisolate.Tensor; memoryview() looks into both.
    """
    picture = pyisolate.zeros((HEIGHT, WIDTH, 3), "uint8")
    pixels = memoryview(picture).cast("B")
    for y in range(HEIGHT):
        for x in range(WIDTH):
            start = 3 * (y * WIDTH + x)
            pixels[start : start + 3] = bytes(_colour(x, y))
    return picture


def _colour(x, y):
    for hill in range(4, 0, -1):
        ridge = HEIGHT * (0.45 + 0.11 * hill)
        ridge += 60 / (hill + 1) * math.sin(x / (18 + 9 * hill) + 2 * hill)
        if y > ridge:
            return 20 + 12 * (4 - hill), 60 + 25 * (4 - hill), 70 + 20 * (4 - hill)
    if math.hypot(x - 0.6 * WIDTH, y - 0.3 * HEIGHT) < 26:
        return 255, 214, 120
    warmth = y / HEIGHT
    return int(150 + 100 * warmth), int(170 + 20 * warmth), int(230 - 90 * warmth)


def write_png(path, *pictures):
    """Write them, beside each other."""
    rows = [memoryview(picture).cast("B") for picture in pictures]
    length = 3 * WIDTH
    raw = b"".join(
        b"\0" + b"".join(bytes(row[y * length : (y + 1) * length]) for row in rows)
        for y in range(HEIGHT)
    )
    header = struct.pack(">IIBBBBB", WIDTH * len(pictures), HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in chunks:
            checksum = zlib.crc32(kind + data)
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum))
