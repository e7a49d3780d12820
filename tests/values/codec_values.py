# SPDX-License-Identifier: MIT
"""Values for the tests of the codec, and what "the same" means for them."""

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import os
import pathlib
import random
import struct
import sys
import uuid
import zoneinfo

import _test_codec as codec

SLOW = os.environ.get("PYISOLATE_TEST_SLOW") == "1"
SEED = int(os.environ.get("PYISOLATE_TEST_SEED") or random.SystemRandom().getrandbits(32))
LIMIT = 64 * 1024 * 1024 - 4096


class Color(enum.Enum):
    RED = 1
    GREEN = "g"
    ODD = float("nan")
    CRIMSON = 1  # noqa: PIE796 - an alias comes back as what it is an alias of


class Number(enum.IntEnum):
    ONE = 1


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    __slots__ = ("name", "points")
    name: str
    points: tuple


@dataclasses.dataclass
class Doubler:
    """Runs code in __init__, which must not run again."""

    n: int
    scale: dataclasses.InitVar[int]

    def __post_init__(self, scale):
        self.n *= scale


class Vector:
    def __init__(self, *items):
        self.items = items

    def __eq__(self, other):
        return type(other) is Vector and other.items == self.items


codec.register_type(Color, "test.Color")
codec.register_type(Number, "test.Number")
codec.register_type(Permission, "test.Permission")
codec.register_type(Point, "test.Point")
codec.register_type(Frozen, "test.Frozen")
codec.register_type(Doubler, "test.Doubler")
codec.register_encoder(Vector, "test.Vector", lambda v: list(v.items), lambda items: Vector(*items))
codec.register_encoder(
    collections.OrderedDict, "OrderedDict", lambda d: list(d.items()), collections.OrderedDict
)


def float_bits(number):
    return struct.pack("<d", number)


def show(value):
    """Python refuses to print integers of more than 4300 digits."""
    try:
        return repr(value)[:200]
    except ValueError:
        return f"<a large {type(value).__name__}>"


def same(a, b):
    """Equal, and of the same type all the way down, bit by bit and in the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return float_bits(a) == float_bits(b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            same(k, m) and same(v, w) for (k, v), (m, w) in zip(a.items(), b.items())
        )
    if isinstance(a, (set, frozenset)):
        if len(a) != len(b):
            return False
        keys = {(type(x), repr(x)) for x in a}
        return keys == {(type(x), repr(x)) for x in b}
    if isinstance(a, memoryview):
        return (a.format, a.shape, a.readonly, a.tobytes()) == (
            b.format,
            b.shape,
            b.readonly,
            b.tobytes(),
        )
    if isinstance(a, decimal.Decimal):
        return a.as_tuple() == b.as_tuple()
    if isinstance(a, (datetime.datetime, datetime.time)):
        return (
            a.replace(tzinfo=None) == b.replace(tzinfo=None)
            and a.fold == b.fold
            and same(a.tzinfo, b.tzinfo)
        )
    if isinstance(a, datetime.timezone):
        return a.__getinitargs__() == b.__getinitargs__()
    if isinstance(a, zoneinfo.ZoneInfo):
        return a.key == b.key
    if isinstance(a, enum.Enum):
        return a is b or a == b
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return a == b


def nan_with(payload):
    return struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000000 | payload))[0]


ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
FIXED = datetime.timezone(datetime.timedelta(hours=-3, minutes=-30, seconds=-5, microseconds=7))
NAMED = datetime.timezone(datetime.timedelta(hours=2), "Käse\udc80")

TABLE = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**63) - 1,
    2**64 - 1,
    3**20000,
    -(7**5000),
    0.0,
    -0.0,
    1.5,
    5e-324,
    sys.float_info.max,
    math.inf,
    -math.inf,
    math.nan,
    nan_with(0x123456789ABC),
    -nan_with(1),
    "",
    "x",
    "ä€😀\uffff",
    "a\0b",
    "\0",
    "\ud800",
    "a\udcff",
    "\U0010ffff",
    b"",
    b"\0\1\xff",
    bytearray(),
    bytearray(b"\0ab"),
    memoryview(b""),
    memoryview(b"abc"),
    memoryview(bytearray(b"abc")),
    memoryview(struct.pack("4i", 1, 2, 3, 4)).cast("i"),
    memoryview(struct.pack("6d", *range(6))).cast("B").cast("d", (2, 3)),
    memoryview(struct.pack("6H", *range(6))).cast("B").cast("H", (1, 2, 3)),
    memoryview(b"abcdef")[::2],
    memoryview(b"abcdef")[::-1],
    memoryview(b"12345678").cast("d", ()),
    [],
    [1, 2, 3],
    [1, 2**63],
    [1, True],
    [1.0, -0.0, math.nan],
    [1.0, 1],
    ["a", "", "ä"],
    ["a", "\0"],
    ["a", "\ud800"],
    [True, False],
    [None],
    [b"a", b""],
    [[], [[]], [[], []]],
    ["x" * 300] * 300,
    (),
    (1,),
    (True,),
    ("a",),
    (1.0, True),
    (True, 1.0, True),
    ("a", "b", 1, "c"),
    (None, None),
    (None, (None, None)),
    ((), ((),)),
    ("a", ("b", ("c", ("d",)))),
    ("abc", ("b", True)),
    (True, ("b", True, (True,)), ["x"], [1], {"k": "v"}, {"k": 1.0}),
    (2**70, "\0", bytearray(b"x")),
    tuple(range(50)),
    tuple(range(51)),
    tuple(range(300)),
    tuple("x" for _ in range(300)),
    tuple([None] * 200),
    (tuple(range(30)), tuple(range(30))),
    {},
    {"a": 1},
    {"a": 1, "b": 2**63},
    {"a": 1.0, "b": math.nan},
    {"a": True, "": False},
    {"a": "x", "ä": "ö"},
    {"a": "x", "b": "\0"},
    {"a": "x", "b": None},
    {"b": 1, "a": {}},
    {"\0": 1},
    {"\ud800": [1]},
    {1: 2, 3: 4},
    {1: "a", "b": 2, None: 3, (1, "x"): 4, 1.5: 5, b"k": 6, frozenset([1]): 7},
    {True: 1, 2: [], (): {}},
    {"x" * 1000: "y" * 100000},
    set(),
    {1, 2},
    {1, "a", None, (1, 2)},
    frozenset(),
    frozenset({1.0, frozenset({2})}),
    1 + 2j,
    complex(-0.0, math.nan),
    complex(math.inf, -0.0),
    datetime.date.min,
    datetime.date(2024, 2, 29),
    datetime.date.max,
    datetime.datetime.min,
    datetime.datetime.max,
    datetime.datetime(1, 1, 1),
    datetime.datetime(2024, 10, 27, 2, 30, tzinfo=ZONE),
    datetime.datetime(2024, 10, 27, 2, 30, tzinfo=ZONE, fold=1),
    datetime.datetime(2024, 10, 27, 2, 30, 1, 5, fold=1),
    datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
    datetime.datetime(2024, 1, 1, tzinfo=FIXED),
    datetime.datetime(2024, 1, 1, tzinfo=NAMED),
    datetime.time(),
    datetime.time(23, 59, 59, 999999, fold=1),
    datetime.time(1, tzinfo=ZONE),
    datetime.time(1, tzinfo=FIXED, fold=1),
    datetime.timedelta(),
    datetime.timedelta.min,
    datetime.timedelta.max,
    datetime.timedelta(days=-1, microseconds=1),
    datetime.timezone.utc,
    datetime.timezone(datetime.timedelta(0), "UTC"),
    FIXED,
    NAMED,
    datetime.timezone.min,
    datetime.timezone.max,
    ZONE,
    zoneinfo.ZoneInfo("UTC"),
    decimal.Decimal("0"),
    decimal.Decimal("-0.00"),
    decimal.Decimal("1E+1000"),
    decimal.Decimal("1.10"),
    decimal.Decimal("NaN"),
    decimal.Decimal("-NaN123"),
    decimal.Decimal("sNaN"),
    decimal.Decimal("sNaN9"),
    decimal.Decimal("-Infinity"),
    decimal.Decimal("1" * 5000 + ".5"),
    uuid.UUID(int=0),
    uuid.UUID("12345678-1234-5678-1234-567812345678"),
    pathlib.PurePosixPath(),
    pathlib.PurePosixPath("//a/../b"),
    pathlib.PureWindowsPath("c:\\x\\y"),
    pathlib.PureWindowsPath("//server/share/x"),
    pathlib.Path("/tmp/\udcff\udc80"),
    pathlib.Path("ä"),
    Color.RED,
    Color.GREEN,
    Color.ODD,
    Number.ONE,
    Permission.READ,
    Permission.READ | Permission.WRITE,
    Permission(0),
    Point(1, [Point(2)]),
    Frozen("f", (Color.RED, None)),
    Doubler(3, 2),
    Vector(1, "a", Vector()),
    collections.OrderedDict([(1, 2), ("a", None)]),
    {"mixed": [1, "a", None, {"t": (1, 2.0), "s": {1}}, [Point(1)], (Color.RED, b"x")]},
]

# Object paths and payloads that do not fit them.
BAD_PAYLOADS = (
    "'x'",
    "int64 5",
    "@av []",
    "[int64 1]",
    "('a', 'b')",
    "('a', true)",
    "('a', true, 'c')",
    "('2024-01-01', true, 'c')",
    "('2024-01-01', true, <objectpath '/pyisolate/None'>)",
    "@ay []",
    "(1.0, 2)",
    "(int64 1, int64 2, int64 3)",
    "(int64 9223372036854775807, int64 9223372036854775807, int64 1)",
    "((int64 5, int64 0, int64 0), objectpath '/pyisolate/None')",
    "([<[int64 1]>], [int64 1])",
    "([int64 1], @av [])",
    "(true, 'B', [int64 7], @ay [])",
    "(true, 'i', [int64 1], [byte 1])",
    "(true, 'T{', [int64 1], [byte 1])",
    "(true, '', [int64 1], [byte 1])",
    "(true, 'B', [int64 -1], [byte 1])",
    "(true, 'B', [int64 4294967296, 4294967296], @ay [])",
    "(true, 'B', ['x'], @ay [])",
    "[<@a{sv} {}>]",
    "('test.Point', @a{sv} {})",
    "('test.Point', {'x': <1>, 'y': <1>, 'z': <1>})",
    "('test.Point', int64 1)",
    "('test.Color', 'BLUE')",
    "('test.Color', '__class__')",
    "('test.Color', int64 1)",
    "('test.Permission', 'READ')",
    "('test.Permission', int64 64)",
    "('os.system', 'true')",
    "'0x'",
    "'0x_1'",
    "'0x1 '",
    "'10'",
    "'../../etc/passwd'",
    "'/etc/passwd'",
    "'Europe/../Berlin'",
    "'os.path'",
    "'No/Such_Zone'",
    "''",
    "objectpath '/pyisolate/None'",
)


class RandomValues:
    """Any value, containers not deeper than asked for."""

    def __init__(self, rng):
        self.rng = rng

    def text(self):
        alphabet = self.rng.choice(("abc", "aä€😀", "a\0\ud800b", "xyz"))
        return "".join(self.rng.choices(alphabet, k=self.rng.choice((0, 1, 3, 8, 40))))

    def integer(self):
        return self.rng.randrange(-1, 2) * self.rng.getrandbits(
            self.rng.choice((1, 8, 63, 64, 200))
        )

    def scalar(self):
        rng = self.rng
        return rng.choice(
            (
                lambda: None,
                lambda: rng.random() < 0.5,
                self.integer,
                lambda: struct.unpack("<d", rng.getrandbits(64).to_bytes(8, "little"))[0],
                self.text,
                lambda: rng.getrandbits(8 * 5).to_bytes(5, "big"),
                lambda: decimal.Decimal(self.integer()).scaleb(rng.randrange(-5, 5)),
                lambda: datetime.timedelta(microseconds=rng.randrange(-(10**15), 10**15)),
                lambda: datetime.datetime.fromordinal(rng.randrange(1, 3000000)),
            )
        )()

    def many(self, make):
        return [make() for _ in range(self.rng.choice((0, 1, 2, 3, 10, 60)))]

    def hashable(self):
        value = self.scalar()
        return self.text() if value != value or type(value) is decimal.Decimal else value

    def any(self, depth):
        rng = self.rng
        if depth == 0 or rng.random() < 0.2:
            return self.scalar()
        make = rng.choice(
            (
                lambda: self.any(depth - 1),
                lambda: rng.random(),
                lambda: rng.randrange(-100, 100),
                self.text,
                lambda: True,
            )
        )
        kind = rng.randrange(6)
        if kind < 2:
            return self.many(make)
        if kind == 2:
            return tuple(self.many(make))
        if kind == 3:
            return set(self.many(self.hashable))
        keys = self.many(self.text if kind == 4 else self.hashable)
        return {key: make() for key in keys}
