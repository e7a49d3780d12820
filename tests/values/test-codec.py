# SPDX-License-Identifier: MIT
"""The codec under one interpreter: exactness, errors and places, limits, hostile bytes, leaks."""

import collections
import contextlib
import ctypes
import dataclasses
import datetime
import decimal
import enum
import gc
import itertools
import math
import os
import pathlib
import random
import struct
import subprocess
import sys
import unittest
import uuid
import zoneinfo

import _test_codec as codec

SLOW = os.environ.get("PYISOLATE_TEST_SLOW") == "1"
SEED = int(os.environ.get("PYISOLATE_TEST_SEED") or random.SystemRandom().getrandbits(32))
LIMIT = 64 * 1024 * 1024 - 4096


def setUpModule():
    print(f"# {sys.version.split()[0]}, PYISOLATE_TEST_SEED={SEED}", flush=True)


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


class Exactness(unittest.TestCase):
    def round_trip(self, value):
        body = codec.encode(value)
        text, normal = codec.glib_print("v", body)
        self.assertTrue(normal, text)
        codec.check("v", body)
        back = codec.decode(body)
        self.assertTrue(
            same(value, back), f"{show(value)} came back as {show(back)} from {text[:200]}"
        )
        return back

    def test_table(self):
        for value in TABLE:
            with self.subTest(value=show(value)[:60]):
                self.round_trip(value)
                self.round_trip([value])
                self.round_trip((value, "x", value))
                self.round_trip({"k": value, "l": [value, value]})

    def test_table_at_once(self):
        self.round_trip(TABLE)

    def test_unaligned(self):
        for value in TABLE:
            body = codec.encode(value)
            for shift in range(1, 8):
                self.assertTrue(same(value, codec.decode(body, (), shift)))

    def test_memoryview_equal(self):
        for value in TABLE:
            if isinstance(value, memoryview):
                self.assertEqual(value, self.round_trip(value))

    def test_memoryview_is_usable(self):
        view = self.round_trip(memoryview(bytearray(8)).cast("i"))
        view[1] = 77
        self.assertEqual(view.tolist(), [0, 77])
        with self.assertRaises(TypeError):
            self.round_trip(memoryview(b"abc"))[0] = 1
        with self.assertRaises(TypeError):
            type(self.round_trip(memoryview(b"12345678").cast("d")).obj)()

    def test_datetimes_are_equal(self):
        value = datetime.datetime(2024, 10, 27, 2, 30, tzinfo=ZONE, fold=1)
        back = self.round_trip(value)
        self.assertEqual(value, back)
        self.assertEqual(value.utcoffset(), back.utcoffset())
        self.assertIs(self.round_trip(datetime.timezone.utc), datetime.timezone.utc)

    def test_enum_members_are_identical(self):
        for member in (*Color, *Number, *Permission):
            self.assertIs(member, self.round_trip(member))

    def test_init_of_a_dataclass_does_not_run(self):
        self.assertEqual(self.round_trip(Doubler(3, 2)).n, 6)

    def test_calls(self):
        for args, kwargs in (
            ((), {}),
            ((1,), {}),
            ((), {"a": None}),
            (tuple(TABLE), {f"k{i}": v for i, v in enumerate(TABLE)}),
            ((None,) * 1000, {"ä": 1}),
        ):
            body = codec.encode_call(args, kwargs)
            text, normal = codec.glib_print("(ava{sv})", body)
            self.assertTrue(normal, text)
            codec.check("(ava{sv})", body)
            self.assertTrue(same((args, kwargs), codec.decode_call(body)))
        self.assertEqual(codec.decode_call(codec.encode_call((1,))), ((1,), {}))

    def test_natural_forms(self):
        for value, text in (
            (5, "<int64 5>"),
            (True, "<true>"),
            (1.0, "<1.0>"),
            ("s", "<'s'>"),
            (b"a", "<[byte 0x61]>"),
            ([1], "<[int64 1]>"),
            ([1.0], "<[1.0]>"),
            (["a"], "<['a']>"),
            ([True], "<[true]>"),
            ([], "<@av []>"),
            ([1, "a"], "<[<int64 1>, <'a'>]>"),
            ((1, "a"), "<(int64 1, 'a')>"),
            ({}, "<@a{sv} {}>"),
            ({"a": 1}, "<{'a': int64 1}>"),
            ({"a": 1.0}, "<{'a': 1.0}>"),
            ({"a": "b"}, "<{'a': 'b'}>"),
            ({"a": True}, "<{'a': true}>"),
            ({"a": []}, "<{'a': <@av []>}>"),
            (None, "<objectpath '/pyisolate/None'>"),
            ((), "<objectpath '/pyisolate/EmptyTuple'>"),
            (2**64, "<(objectpath '/pyisolate/int', <'0x10000000000000000'>)>"),
            (
                Point(1),
                "<(objectpath '/pyisolate/object', <('test.Point', "
                "{'x': <int64 1>, 'y': <objectpath '/pyisolate/None'>})>)>",
            ),
            (Color.RED, "<(objectpath '/pyisolate/object', <('test.Color', 'RED')>)>"),
            (Vector(1), "<(objectpath '/pyisolate/ext', <('test.Vector', [int64 1])>)>"),
        ):
            with self.subTest(value=repr(value)):
                self.assertEqual(codec.glib_print("v", codec.encode(value))[0], text)

    def test_dbus_types_from_c(self):
        for text, value in (
            ("byte 200", 200),
            ("int16 -5", -5),
            ("uint16 65535", 65535),
            ("int32 -5", -5),
            ("uint32 4294967295", 2**32 - 1),
            ("int64 -5", -5),
            ("uint64 18446744073709551615", 2**64 - 1),
            ("true", True),
            ("1.5", 1.5),
            ("'s'", "s"),
            ("objectpath '/a/b'", "/a/b"),
            ("objectpath '/pyisolatex'", "/pyisolatex"),
            ("signature 'a{sv}'", "a{sv}"),
            ("<<<5>>>", 5),
            ("@an [1, 2]", [1, 2]),
            ("@as []", []),
            ("@aay [b'x', b'']", [b"x\0", b"\0"]),
            ("[('a', 1), ('b', 2)]", [("a", 1), ("b", 2)]),
            ("@a(yx) [(1, 2)]", [(1, 2)]),
            ("@a(yay) [(1, b'')]", [(1, b"\0")]),
            ("@a{uv} {1: <2>}", {1: 2}),
            ("@a{ys} {1: 'x'}", {1: "x"}),
            ("@a{yy} {1: 2, 3: 4}", {1: 2, 3: 4}),
            ("@a{xd} {1: 2}", {1: 2.0}),
            ("@a{ob} {'/x': true}", {"/x": True}),
            ("@a{sas} {'a': ['b'], 'c': []}", {"a": ["b"], "c": []}),
            ("@a{da{sv}} {1.5: {'a': <1>}}", {1.5: {"a": 1}}),
            ("(<1>, <'a'>)", (1, "a")),
            ("@a(ov) [('/x', <1>)]", [("/x", 1)]),
            ("(objectpath '/x', <1>)", ("/x", 1)),
            ("(objectpath '/pyisolate/int', <'-0xff'>)", -255),
            (
                "(objectpath '/pyisolate/datetime', <'2024-01-01T00:00:00+01:00'>)",
                datetime.datetime(
                    2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))
                ),
            ),
            ("@a(nyt) [(1, 2, 3), (4, 5, 6)]", [(1, 2, 3), (4, 5, 6)]),
            ("[[1.0], [], [2.0, 3.0]]", [[1.0], [], [2.0, 3.0]]),
        ):
            with self.subTest(text=text):
                body = codec.glib_serialise(text)
                codec.check("v", body)
                self.assertTrue(same(codec.decode(body), value), codec.decode(body))

    def test_random_values(self):
        rng = random.Random(SEED)
        for _ in range(20000 if SLOW else 2000):
            value = RandomValues(rng).any(rng.choice((1, 2, 3, 4)))
            try:
                self.round_trip(value)
            except ValueError as error:
                self.assertIn("nested deeper", str(error))


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


class Numpy(unittest.TestCase):
    """A stand-in, so that nothing need be installed: what counts is numpy.generic and item()."""

    def setUp(self):
        self.assertNotIn("numpy", sys.modules)
        module = type(sys)("numpy")

        class generic:
            def __init__(self, item):
                self.value = item

            def item(self):
                return self if self.value is None else self.value

        for name in ("float64", "datetime64", "longdouble", "void", "str_"):
            setattr(module, name, type(name, (generic,), {"__module__": "numpy"}))
        module.generic = generic
        sys.modules["numpy"] = self.numpy = module
        self.addCleanup(sys.modules.pop, "numpy")

    def test_scalars_become_python_scalars(self):
        for value, expected in (
            (self.numpy.float64(1.5), 1.5),
            (self.numpy.float64(7), 7),
            (self.numpy.float64(True), True),
            (self.numpy.str_("x"), "x"),
            (self.numpy.float64(1j), 1j),
            (self.numpy.datetime64(datetime.date(2024, 1, 1)), datetime.date(2024, 1, 1)),
        ):
            for wrapped, result in (
                (value, expected),
                ([value, value], [expected] * 2),
                ((value, 1), (expected, 1)),
                ({"k": value}, {"k": expected}),
            ):
                self.assertTrue(same(codec.decode(codec.encode(wrapped)), result))

    def test_what_would_lose_something_is_refused(self):
        for value, name in (
            (self.numpy.longdouble(None), "numpy.longdouble"),
            (self.numpy.datetime64(5), "numpy.datetime64"),
            (self.numpy.void((1, 2)), "numpy.void"),
        ):
            with self.assertRaisesRegex(TypeError, f"'{name}'"):
                codec.encode(value)


class Refusals(unittest.TestCase):
    def refuse(self, message, value, exception=TypeError):
        with self.assertRaises(exception) as caught:
            codec.encode(value)
        self.assertEqual(str(caught.exception), message)

    def test_places(self):
        thing = object()
        for value, place in (
            (thing, "result"),
            ([thing], "result → [0]"),
            ([1, thing], "result → [1]"),
            ((1, (2, thing)), "result → [1][1]"),
            ((*tuple(range(60)), thing), "result → [60]"),
            ({"a": thing}, "result → ['a']"),
            ({"a": 1, "b": {"ü": [thing]}}, "result → ['b']['\\xfc'][0]"),
            ({"x" * 100: thing}, f"result → ['{'x' * 40}']"),
            ({1: thing}, "result → [1]"),
            ({(1, 2): [0, thing]}, "result → [tuple][1]"),
            ({thing: 1}, "result → {…}"),
            ({thing}, "result → {…}"),
            (Point([thing]), "result → .x[0]"),
            (Vector(1, thing), "result → [1]"),
        ):
            with self.subTest(place=place):
                self.refuse(f"cannot send a value of type 'object' (at {place})", value)

    def test_places_in_calls(self):
        with self.assertRaises(TypeError) as caught:
            codec.encode_call((1, {"image": [object]}), {})
        self.assertEqual(
            str(caught.exception),
            "cannot send a value of type 'type' (at argument 2 → ['image'][0])",
        )
        with self.assertRaises(TypeError) as caught:
            codec.encode_call((1,), {"image": [object]})
        self.assertEqual(
            str(caught.exception), "cannot send a value of type 'type' (at argument 'image' → [0])"
        )
        with self.assertRaises(ValueError):
            codec.encode_call((), {"a\0": 1})

    def test_exact_types_only(self):
        class MyInt(int):
            pass

        class Unregistered(enum.IntEnum):
            A = 1

        pair = collections.namedtuple("pair", "a b")
        for value, name in (
            (MyInt(1), f"{__name__}.Refusals.test_exact_types_only.<locals>.MyInt"),
            (Unregistered.A, f"{__name__}.Refusals.test_exact_types_only.<locals>.Unregistered"),
            (pair(1, 2), f"{__name__}.pair"),
            (collections.defaultdict(int), "collections.defaultdict"),
            (range(3), "range"),
            (len, "builtin_function_or_method"),
            (..., "ellipsis"),
        ):
            with self.subTest(name=name):
                self.refuse(f"cannot send a value of type '{name}' (at result)", value)
                self.refuse(f"cannot send a value of type '{name}' (at result → [1])", [1, value])

    def test_strange_types_do_no_harm(self):
        class Meta(type):
            def __getattribute__(cls, name):
                raise RuntimeError("no")

        self.refuse("cannot send a value of type '?' (at result)", Meta("X", (), {})())

    def test_tzinfo_of_an_unknown_class(self):
        class Zone(datetime.tzinfo):
            def utcoffset(self, when):
                return datetime.timedelta(0)

        with self.assertRaisesRegex(TypeError, r"Zone' \(at result → \[0\]\.tzinfo\)"):
            codec.encode([datetime.datetime(2024, 1, 1, tzinfo=Zone())])

    def test_zone_without_key(self):
        with open(os.path.join(zoneinfo.TZPATH[0], "UTC"), "rb") as file:
            zone = zoneinfo.ZoneInfo.from_file(file)
        self.refuse("cannot send a ZoneInfo without a key (at result)", zone)

    def test_odd_memoryviews(self):
        class Pair(ctypes.Structure):
            _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_short))

        with self.assertRaisesRegex(TypeError, r"the format 'T\{.*\(at result → \[0\]\)"):
            codec.encode([memoryview((Pair * 2)())])
        with self.assertRaises(ValueError):
            view = memoryview(b"x")
            view.release()
            codec.encode(view)

    def test_registration(self):
        class Plain:
            pass

        class List(list):
            pass

        for cls, exception in (
            (Plain, TypeError),
            (int, TypeError),
            (dataclasses.dataclass(List), TypeError),
            ("x", TypeError),
            (type("Sub", (Point,), {}), TypeError),
        ):
            with self.assertRaises(exception):
                codec.register_type(cls, "test.new")
        codec.register_type(Color, "test.Color")
        for cls, name in ((Color, "other"), (Point, "test.Color"), (Color, ""), (Color, "a\0")):
            with self.assertRaises(ValueError):
                codec.register_type(cls, name)
        with self.assertRaises(TypeError):
            codec.register_encoder(dict, "test.dict", list, dict)
        with self.assertRaises(TypeError):
            codec.register_encoder(set, "test.set", list, set)
        with self.assertRaises(TypeError):
            codec.register_encoder(Plain, "test.plain", None, None)

    def test_what_an_encoder_raises_stays(self):
        class Bad:
            pass

        def fail(value):
            raise LookupError("mine")

        codec.register_encoder(Bad, "test.Bad", fail, fail)
        with self.assertRaisesRegex(LookupError, "mine"):
            codec.encode([Bad()])
        with self.assertRaisesRegex(LookupError, "mine"):
            codec.decode(codec.glib_serialise("(objectpath '/pyisolate/ext', <('test.Bad', 1)>)"))

    def test_encoder_that_returns_itself(self):
        class Own:
            pass

        codec.register_encoder(Own, "test.Own", lambda v: v, lambda v: v)
        with self.assertRaisesRegex(ValueError, "nested deeper"):
            codec.encode(Own())

    def test_containers_that_change_meanwhile(self):
        class Evil:
            action = None

        codec.register_encoder(Evil, "test.Evil", lambda v: Evil.action() or 1, lambda v: v)
        items = [Evil(), *map(str, range(100)), None]
        Evil.action = items.clear
        self.assertEqual(codec.decode(codec.encode(items)), [1])
        mapping = {"a": Evil(), "b": 2, "c": None}
        Evil.action = mapping.clear
        with self.assertRaisesRegex(RuntimeError, "changed"):
            codec.encode(mapping)
        mapping = {"a": Evil(), "b": 2}
        Evil.action = lambda: mapping.update({str(i): i for i in range(1000)})
        with self.assertRaisesRegex(RuntimeError, "changed"):
            codec.encode(mapping)


class Limits(unittest.TestCase):
    @staticmethod
    def nest(wrap, depth):
        value = 1
        for _ in range(depth):
            value = wrap(value)
        return value

    # How many of each fit into 32 arrays, 32 structs and 64 levels, a variant being around all.
    DEEPEST = (
        ("list", lambda v: [v, None], 31),
        ("dict", lambda v: {"a": v, "b": None}, 21),
        ("tuple", lambda v: (v,), 32),
        ("set", lambda v: frozenset([v, None]), 15),
        ("any keys", lambda v: {1: v, 2: None}, 12),
        ("dataclass", Point, 10),
    )

    def test_depth(self):
        for name, wrap, most in self.DEEPEST:
            with self.subTest(name=name):
                deepest = 0
                for depth in range(70):
                    try:
                        body = codec.encode(self.nest(wrap, depth))
                    except ValueError as error:
                        self.assertRegex(
                            str(error), r"^nested deeper than can be sent: .* \(at result"
                        )
                        break
                    deepest = depth
                    codec.check("v", body)
                    self.assertTrue(codec.glib_print("v", body)[1])
                    self.assertEqual(codec.decode(body), self.nest(wrap, depth))
                self.assertEqual(deepest, most)
                for depth in range(deepest + 1, 80):
                    with self.assertRaises(ValueError):
                        codec.encode(self.nest(wrap, depth))

    def test_cycles(self):
        items = []
        items.append(items)
        mapping = {}
        mapping["a"] = mapping
        both = {"a": [1]}
        both["a"].append(both)
        point = Point(1)
        point.y = point
        inner = [None]
        inner[0] = (inner,)
        for value in (items, mapping, both, point, inner):
            with self.assertRaisesRegex(ValueError, "nested deeper"):
                codec.encode(value)

    def test_no_stack_overflow(self):
        deep = []
        for _ in range(200000):
            deep = [deep]
        with self.assertRaisesRegex(ValueError, "nested deeper"):
            codec.encode(deep)
        deep = ()
        for _ in range(200000):
            deep = (deep,)
        with self.assertRaisesRegex(ValueError, "nested deeper"):
            codec.encode(deep)
        # Python's own deallocation of these is safe; take them apart all the same.
        while deep:
            (deep,) = deep

    def test_shared_parts_cost_what_they_weigh(self):
        value = ["x"]
        for _ in range(14):
            value = [value, value, None]
        self.assertEqual(codec.decode(codec.encode(value)), value)
        value = (1, 2)
        for _ in range(13):
            value = (value, *range(60))
        self.assertTrue(same(codec.decode(codec.encode(value)), value))

    def test_late_surprises_cost_little(self):
        """Each dict turns out to need another form after all of its content has been written."""
        value = 1
        for _ in range(12):
            value = {"a": value, "b": value, "\0": None} if _ < 4 else {"a": value, "\0": None}
        self.assertTrue(same(codec.decode(codec.encode(value)), value))

    def test_size(self):
        self.assertEqual(len(codec.encode(bytes(LIMIT - 3))), LIMIT)
        for value in (bytes(LIMIT - 2), "x" * LIMIT, [bytes(LIMIT // 2)] * 2, [1.0] * (LIMIT // 8)):
            with self.assertRaisesRegex(
                ValueError,
                rf"^cannot send \d+ bytes or more at once, the limit is {LIMIT} \(at result",
            ):
                codec.encode(value)
        with self.assertRaises(ValueError):
            codec.decode(bytes(LIMIT + 1))


class Descriptors(unittest.TestCase):
    def setUp(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        self.before = set(os.listdir("/proc/self/fd"))
        self.read, self.write = read, write

    def tearDown(self):
        gc.collect()
        self.assertEqual(self.before, set(os.listdir("/proc/self/fd")))

    def test_round_trip(self):
        first, second = codec.FileDescriptor(self.write), codec.FileDescriptor(self.read)
        value = [first, ("a", second), {"k": first}]
        body, numbers = codec.encode_with_fds(value)
        self.assertEqual(len(numbers), 3)
        self.assertTrue(all(not os.get_inheritable(n) for n in numbers))
        back = codec.decode(body, tuple(numbers))
        for number in numbers:
            os.close(number)
        os.write(back[0].fileno(), b"hi")
        self.assertEqual(os.read(back[1][1].fileno(), 2), b"hi")
        os.write(back[2]["k"].fileno(), b"ho")
        self.assertEqual(os.read(self.read, 2), b"ho")
        self.assertEqual(
            codec.glib_print("v", body)[0],
            "<[<handle 0>, <('a', handle 1)>, <{'k': <handle 2>}>]>",
        )

    def test_same_number_same_object(self):
        body = codec.glib_serialise("[handle 0, handle 0]")
        first, second = codec.decode(body, (self.read,))
        self.assertIs(first, second)

    def test_ownership(self):
        fd = codec.FileDescriptor(self.read)
        self.assertNotEqual(fd.fileno(), self.read)
        with fd:
            pass
        with self.assertRaises(ValueError):
            fd.fileno()
        fd.close()
        self.assertIn("closed", repr(fd))
        with self.assertRaises(ValueError):
            codec.encode_with_fds(fd)
        fd = codec.FileDescriptor(self.read)
        number = fd.detach()
        del fd
        os.fstat(number)
        os.close(number)
        with self.assertRaises(OSError):
            codec.FileDescriptor(10**6)

    def test_failure_closes_what_was_duplicated(self):
        with self.assertRaises(TypeError):
            codec.encode_with_fds([codec.FileDescriptor(self.read), object()])

    def test_thrown_away_attempts(self):
        """The second key asks for another form after the first value has been written."""
        value = {"a": codec.FileDescriptor(self.read), "\0": {1: codec.FileDescriptor(self.write)}}
        body, numbers = codec.encode_with_fds(value)
        self.assertEqual(len(numbers), 2)
        back = codec.decode(body, tuple(numbers))
        for number in numbers:
            os.close(number)
        os.write(back["\0"][1].fileno(), b"x")
        self.assertEqual(os.read(back["a"].fileno(), 1), b"x")

    def test_where_none_can_go(self):
        with self.assertRaisesRegex(TypeError, "FileDescriptor"):
            codec.encode(codec.FileDescriptor(self.read))

    def test_numbers_out_of_range(self):
        for text in ("handle 0", "handle 1", "handle -1"):
            with self.assertRaisesRegex(ValueError, "file descriptor"):
                codec.decode(codec.glib_serialise(text), () if text == "handle 0" else (self.read,))


class Hostile(unittest.TestCase):
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

    def test_bad_payloads(self):
        tags = (
            "int",
            "str",
            "bytearray",
            "memoryview",
            "tuple",
            "set",
            "frozenset",
            "dict",
            "complex",
            "datetime",
            "date",
            "time",
            "timedelta",
            "timezone",
            "ZoneInfo",
            "Decimal",
            "UUID",
            "PurePosixPath",
            "PosixPath",
            "WindowsPath",
            "object",
            "ext",
            "x",
        )
        for tag, payload in itertools.product(tags, self.BAD_PAYLOADS):
            body = codec.glib_serialise(f"(objectpath '/pyisolate/{tag}', <{payload}>)")
            codec.check("v", body)
            with contextlib.suppress(ValueError):
                value = codec.decode(body)
                self.assertEqual(type(value).__name__, tag)

    def test_named_errors(self):
        for text, message in (
            ("objectpath '/pyisolate/x'", "unknown constant '/pyisolate/x'"),
            ("(objectpath '/pyisolate/os', <1>)", "unknown tag 'os'"),
            (
                "(objectpath '/pyisolate/object', <('nobody', 1)>)",
                "no class is registered under the name 'nobody': call pyisolate.register_type",
            ),
            (
                "(objectpath '/pyisolate/ext', <('nobody', 1)>)",
                "no encoder is registered under the name 'nobody'",
            ),
        ):
            with self.assertRaisesRegex(ValueError, message):
                codec.decode(codec.glib_serialise(text))

    def test_windows_path(self):
        body = codec.glib_serialise("(objectpath '/pyisolate/WindowsPath', <'c:\\\\x'>)")
        with self.assertRaises(ValueError):
            codec.decode(body)

    def test_not_of_dbus(self):
        for text in ("@ms nothing", "@mi 5", "@() ()", "[@() ()]", "{1, 'x'}"):
            body = codec.glib_serialise(text)
            for function in (codec.decode, lambda b: codec.check("v", b)):
                with self.assertRaises(ValueError):
                    function(body)

    def test_deep_types(self):
        deep_types = ["a" * 33 + "y", "(" * 33 + "y" + ")" * 33, "a{s" * 33 + "y" + "}" * 33]
        for kind in deep_types:
            body = b"\0" + kind.encode()
            for function in (codec.decode, lambda b: codec.check("v", b)):
                with self.assertRaises(ValueError):
                    function(body)
        self.assertEqual(codec.decode(b"\0" + b"a" * 32 + b"y"), [])
        body = b"\5\0y"
        for _ in range(63):
            codec.check("v", body)
            self.assertEqual(codec.decode(body), 5)
            body += b"\0v"
        codec.check("v", body)
        for _ in range(200):
            body += b"\0v"
            with self.assertRaises(ValueError):
                codec.decode(body)
            with self.assertRaises(ValueError):
                codec.check("v", body)

    def agree(self, body):
        """Both checks take the same bytes, and never what GLib does not call normal."""
        try:
            codec.check("v", body)
            accepted = True
        except ValueError:
            accepted = False
        try:
            value = codec.decode(body)
        except TypeError:
            # Of a decoder that was registered above, which takes its argument for a list.
            self.assertIn(b"/pyisolate/ext", body)
            self.assertTrue(accepted)
        except ValueError as error:
            if "malformed value" in str(error) and "payload" not in str(error):
                structural = "unknown" not in str(error) and "descriptor" not in str(error)
                self.assertFalse(accepted and structural, (body, error))
        else:
            self.assertTrue(accepted, body)
            self.assertTrue(codec.glib_print("v", body)[1], body)
            return value
        if accepted:
            self.assertTrue(codec.glib_print("v", body)[1], body)
        return None

    def test_mutations(self):
        rng = random.Random(SEED)
        bodies = [codec.encode(value) for value in TABLE]
        bodies = [body for body in bodies if len(body) < 3000]
        bodies += [
            codec.glib_serialise(text)
            for text in (
                "@a{uv} {1: <2>, 2: <'x'>}",
                "[('a', 1, <2>), ('b', 2, <'x'>)]",
                "@aan [[1], [2, 3], []]",
                "@a{yy} {1: 2}",
                "[(byte 1, true, signature 'a{sv}'), (2, false, '')]",
                "@a(ay(yx)) [([1, 2], (3, 4))]",
            )
        ]
        survivors = 0
        for number in range(200000 if SLOW else 20000):
            body = bytearray(rng.choice(bodies))
            for _ in range(rng.choice((1, 1, 1, 2, 4))):
                kind = rng.randrange(6)
                at = rng.randrange(len(body) + 1)
                if kind == 0 and at < len(body):
                    body[at] ^= 1 << rng.randrange(8)
                elif kind == 1 and at < len(body):
                    body[at] = rng.choice((0, 1, 2, 8, 127, 128, 255, len(body) & 255))
                elif kind == 2:
                    del body[at : at + rng.choice((1, 1, 8))]
                elif kind == 3:
                    body[at:at] = bytes(rng.choice((1, 7, 8)))
                elif kind == 4:
                    body[at:at] = rng.choice(
                        (b"v", b"s", b"(", b")", b"av", b"a{sv}", b"\0v", b"m")
                    )
                else:
                    body = body[: max(at, 1)] + bytearray(rng.choice(bodies))[at:]
            try:
                survivors += self.agree(bytes(body)) is not None
            except AssertionError:
                raise
            except Exception as error:
                raise AssertionError(f"number {number}: {bytes(body)!r}") from error
        print(f"# {survivors} mutations were values")
        self.assertGreater(survivors, 0)

    def test_truncations(self):
        for value in TABLE:
            body = codec.encode(value)
            if len(body) < 2000:
                for length in range(len(body)):
                    self.agree(body[:length])
                    self.agree(body[length:])

    def test_calls(self):
        rng = random.Random(SEED)
        for args, kwargs in (((), {}), ((1, "a"), {"k": [1]}), ((None,) * 40, {"a": 1, "b": 2})):
            body = codec.encode_call(args, kwargs)
            for _ in range(3000):
                mutated = bytearray(body)
                mutated[rng.randrange(len(body))] = rng.randrange(256)
                try:
                    decoded = codec.decode_call(bytes(mutated))
                except ValueError:
                    continue
                codec.check("(ava{sv})", bytes(mutated))
                self.assertIs(type(decoded[0]), tuple)
                self.assertIs(type(decoded[1]), dict)


class Leaks(unittest.TestCase):
    def measure(self, action):
        """A lost block shows at each turn; the interpreter's own caches are full after a while."""
        turns = 200
        growth = []
        for _ in range(20):
            before = sys.getallocatedblocks()
            for _ in range(turns):
                action()
            gc.collect()
            growth.append(sys.getallocatedblocks() - before)
            if growth[-1] < turns / 2:
                return
        self.fail(f"{turns} turns left {growth} blocks")

    def test_round_trips(self):
        values = [value for value in TABLE if len(codec.encode(value)) < 3000]

        def action():
            for value in values:
                codec.decode(codec.encode(value))

        self.measure(action)

    def test_failures(self):
        values = [[1, {"a": (1, {object()})}], {1: object()}, Point(object()), "x" * 10, [{}] * 3]
        values += [
            datetime.datetime(
                2024, 1, 1, tzinfo=type("Z", (datetime.tzinfo,), {"utcoffset": lambda s, w: None})()
            )
        ]
        bodies = [codec.encode(value) for value in TABLE]
        bodies = [body[:-1] + b"?" for body in bodies if len(body) < 2000]
        bodies += [
            codec.glib_serialise(f"(objectpath '/pyisolate/{tag}', <{payload}>)")
            for tag in ("int", "dict", "set", "object", "timezone", "memoryview", "datetime")
            for payload in self.payloads()
        ]

        def action():
            for value in values:
                with contextlib.suppress(TypeError):
                    codec.encode(value)
            for body in bodies:
                with contextlib.suppress(ValueError):
                    codec.decode(body)

        self.measure(action)

    @staticmethod
    def payloads():
        return Hostile.BAD_PAYLOADS

    def test_reference_counts(self):
        marker = "a marker of some length"
        key = "a key of some length"
        value = {key: [marker, (marker, {marker}), {1: marker}], "x": [marker] * 3}
        before = sys.getrefcount(marker), sys.getrefcount(key)
        for _ in range(100):
            codec.encode(value)
            codec.encode_call((value,), {"k": value})
        self.assertEqual(before, (sys.getrefcount(marker), sys.getrefcount(key)))

    def test_collectable(self):
        for value in codec.decode(codec.encode([Point(1), memoryview(bytearray(8)).cast("d")])):
            self.assertEqual(sys.getrefcount(value), 3 if sys.version_info < (3, 14) else 2)


class Imports(unittest.TestCase):
    """An extension that uses no dates must not pay for the modules of dates."""

    SCRIPT = """
import sys
import _test_codec as codec
LAZY = {"datetime", "decimal", "uuid", "pathlib", "zoneinfo", "numpy", "dataclasses", "struct"}
before = LAZY & set(sys.modules)
for value in (1, [None, {"a": (1, 2.0)}], {1, 2}, 2**100, b"x", memoryview(b"x"), bytearray()):
    assert codec.decode(codec.encode(value)) == value
try:
    codec.encode(object())
except TypeError:
    pass
new = (LAZY & set(sys.modules)) - before
assert new <= {"struct"}, new
bodies = eval(sys.stdin.read())
print([str(codec.decode(body)) for body in bodies])
"""

    def test_lazily(self):
        values = [
            datetime.date(2024, 1, 2),
            decimal.Decimal("1.5"),
            uuid.UUID(int=5),
            pathlib.PurePosixPath("/x"),
            zoneinfo.ZoneInfo("UTC"),
        ]
        result = subprocess.run(
            [sys.executable, "-S", "-c", self.SCRIPT],
            input=repr([codec.encode(value) for value in values]),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=30,
        )
        self.assertEqual(result.stdout.strip(), str([str(value) for value in values]))


if __name__ == "__main__":
    unittest.main()
