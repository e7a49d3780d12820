# SPDX-License-Identifier: MIT
"""What the codec refuses, where it says that it is, and its limits."""

import array
import collections
import ctypes
import dataclasses
import datetime
import enum
import os
import sys
import types
import unittest
import zoneinfo

import _test_codec as codec
from codec_values import LIMIT, Color, Point, Vector, same


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
        encoder = "call pyisolate.register_encoder"
        for value, name, advice in (
            (
                MyInt(1),
                f"{__name__}.Refusals.test_exact_types_only.<locals>.MyInt",
                f": send it as int, or {encoder}",
            ),
            (
                Unregistered.A,
                f"{__name__}.Refusals.test_exact_types_only.<locals>.Unregistered",
                ": call pyisolate.register_type",
            ),
            (pair(1, 2), f"{__name__}.pair", f": send it as tuple, or {encoder}"),
            (
                collections.defaultdict(int),
                "collections.defaultdict",
                f": send it as dict, or {encoder}",
            ),
            (range(3), "range", ": send it as list"),
            (len, "builtin_function_or_method", ""),
            (..., "ellipsis", ""),
        ):
            with self.subTest(name=name):
                message = f"cannot send a value of type '{name}'{advice}"
                self.refuse(f"{message} (at result)", value)
                self.refuse(f"{message} (at result → [1])", [1, value])

    def test_says_what_would_help(self):
        @dataclasses.dataclass
        class Record:
            a: int

        class Tree(collections.OrderedDict):
            pass

        class Moment(datetime.datetime):
            pass

        class Thing:
            pass

        encoder = "call pyisolate.register_encoder"
        for value, advice in (
            (Record(1), "call pyisolate.register_type"),
            (Thing(), encoder),
            (Tree(), f"send it as dict, or {encoder}"),
            (Moment(2000, 1, 1), f"send it as datetime.datetime, or {encoder}"),
            (array.array("f"), encoder),
            ({}.keys(), "send it as list"),
            ((i for i in ()), "send it as list"),
            (types.MappingProxyType({}), "send it as dict"),
        ):
            with self.subTest(type=type(value)), self.assertRaises(TypeError) as caught:
                codec.encode(value)
            self.assertIn(f"': {advice} (at result)", str(caught.exception))

    def test_what_is_advised_helps(self):
        @dataclasses.dataclass
        class Advised:
            a: int

        with self.assertRaisesRegex(TypeError, "register_type"):
            codec.encode(Advised(1))
        codec.register_type(Advised, "Advised")
        self.assertEqual(codec.decode(codec.encode(Advised(1))), Advised(1))

        pair = collections.namedtuple("pair", "a b")
        with self.assertRaisesRegex(TypeError, "register_encoder"):
            codec.encode(pair(1, 2))
        codec.register_encoder(pair, "AdvisedPair", tuple, pair._make)
        self.assertEqual(codec.decode(codec.encode(pair(1, 2))), pair(1, 2))

    def test_strange_types_do_no_harm(self):
        class Meta(type):
            def __getattribute__(cls, name):
                raise RuntimeError("no")

        self.refuse("cannot send a value of type '?' (at result)", Meta("X", (), {})())

    def test_tzinfo_of_an_unknown_class(self):
        class Zone(datetime.tzinfo):
            def utcoffset(self, when):
                return datetime.timedelta(0)

        with self.assertRaisesRegex(TypeError, r"Zone': .* \(at result → \[0\]\.tzinfo\)"):
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

    def test_types_of_what_encoders_make(self):
        """A tuple has less room for its type there: the name is a part of it."""

        class Made:
            def __init__(self, value):
                self.value = value

        codec.register_encoder(Made, "test.Made", lambda made: made.value, Made)
        for n_items in range(40, 55):
            value = tuple({"a": float(n)} for n in range(n_items))
            for depth in range(5):
                with self.subTest(n_items=n_items, depth=depth):
                    body = codec.encode(Made(value))
                    codec.check("v", body)
                    self.assertEqual(codec.decode(body).value, value)
                value = (value,)

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

    def test_limit_by_what_is_short(self):
        """What is short goes where no room was asked for: it counts there, too."""
        for pack in (lambda n: [bytes(n), None], lambda n: {"a": bytes(n), "b": None, "c": 1.5}):
            rest = len(codec.encode(pack(2**16))) - 2**16
            # Offsets are wider in what is so large, and the padding may be another.
            fits, too_large = LIMIT - rest - 32, LIMIT
            while too_large - fits > 1:
                middle = (fits + too_large) // 2
                fits, too_large = (middle, too_large) if self.fits(pack(middle)) else (fits, middle)
            self.assertGreater(len(codec.encode(pack(fits))), LIMIT - 8)
            for more in (8, 40, 64):
                self.assertFalse(self.fits(pack(fits + more)))

    def fits(self, value):
        try:
            self.assertLessEqual(len(codec.encode(value)), LIMIT)
        except ValueError as error:
            self.assertRegex(str(error), "bytes or more at once")
            return False
        return True


if __name__ == "__main__":
    unittest.main()
