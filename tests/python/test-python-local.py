# SPDX-License-Identifier: MIT
"""Extensions with isolated=False: the same calls, in the host's own process."""

import asyncio
import os
import threading
import unittest

import pyisolate
from local_helper import PLAIN, LocalTest
from shared_api import HostAPI


class Local(LocalTest):
    def test_calls(self):
        thing = object()

        async def main(ext):
            self.assertEqual("new", ext.state)
            self.assertIs(thing, await ext.echo(thing))
            self.assertEqual({"a": 1}, await ext.echo(a=1))
            self.assertEqual("running", ext.state)
            self.assertEqual(os.getpid(), ext.pid)
            self.assertEqual([os.getpid(), "pyisolate-sample", True], await ext.where())
            self.assertEqual(["before", "sample"], await ext.hook_names())
            self.assertEqual(3, await ext.api.echo(3))
            self.assertEqual(4, ext.sync.echo(4))
            self.assertEqual("ran", await ext.run_a_loop())
            self.assertIn("echo", dir(ext))
            self.assertEqual("Give it back.", ext.echo.__doc__)
            with self.assertRaisesRegex(AttributeError, "perhaps 'echo'"):
                _ = ext.ecko
            with self.assertRaises(pyisolate.NoSuchMethodError):
                await ext._manager.extensions["sample"]._call("nothing", (), {}, -2)
            with self.assertRaisesRegex(TypeError, "generator"):
                await ext.generate()
            with self.assertRaisesRegex(TypeError, "positional argument"):
                await ext.fail()
            answers = await asyncio.gather(*(ext.echo(n) for n in range(500)))
            self.assertEqual(list(range(500)), answers)

        self.with_mixed(main)

    def test_threads(self):
        async def main(ext):
            gate = threading.Event()
            started = asyncio.ensure_future(ext.block(gate))
            self.assertEqual(1, await ext.echo(1))
            self.assertFalse(started.done())
            gate.set()
            self.assertEqual("pyisolate-sample-second", await started)
            self.assertEqual("pyisolate-sample", await ext.inline())
            self.assertNotIn("pyisolate-sample", await ext.threaded())
            runs_on = {method.name: method.runs_on for method in ext.methods}
            wanted = {"echo": "main", "block": "second", "inline": "main", "threaded": "pool"}
            self.assertEqual(wanted, {name: runs_on[name] for name in wanted})

        self.with_mixed(main)

    def test_plain(self):
        ext = self.load(self.make_manager(), PLAIN, isolated=False)
        self.assertEqual(3, ext.sync.add(1))
        self.assertEqual("pyisolate-sample", ext.sync.where())
        self.assertEqual("(a, b=2)", ext.methods[0].signature)

    def test_exceptions(self):
        async def main(ext):
            with self.assertRaises(KeyError) as caught:
                await ext.fail("KeyError", "k")
            self.assertEqual(("k",), caught.exception.args)
            with self.assertRaises(Exception) as caught:
                await ext.fail_own()
            self.assertEqual("OwnError", type(caught.exception).__name__)
            self.assertIsInstance(caught.exception.__cause__, KeyError)
            for name in ("SystemExit", "KeyboardInterrupt"):
                with self.assertRaises(pyisolate.RemoteError) as caught:
                    await ext.fail(name, 3)
                self.assertEqual(name, type(caught.exception).__name__)

        self.with_mixed(main)

    def test_cancelling(self):
        async def main(ext):
            await ext
            # On a busy machine the time may be over before the call has begun.
            while "cancelled" not in HostAPI().data:
                with self.assertRaises(pyisolate.CallTimeoutError):
                    await ext.options(timeout=0.05).sleep()
                await ext.echo(1)
            task = asyncio.ensure_future(ext.sleep())
            await asyncio.sleep(0)
            await ext.echo(1)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await ext.echo(1)
            with self.assertRaises(pyisolate.CallTimeoutError):
                ext.options(timeout=0.05).sync.sleep()

        self.with_mixed(main)

    def test_events(self):
        async def main(ext):
            told = []
            both = asyncio.Event()

            def on_told(value):
                told.append(value)
                if len(told) == 2:
                    both.set()

            ext.register_event_handler("told", on_told)
            thing = object()
            await ext.tell(thing)
            await both.wait()
            self.assertIs(thing, told[0])
            self.assertEqual("sample", told[1])

        self.with_mixed(main)

    def test_telling(self):
        """What is told, and what cannot be, is the same as in a worker."""
        source = """
            import pyisolate

            def tell(fractions):
                for fraction in fractions:
                    pyisolate.progress(fraction, "text")
                raised = []
                for function, *args in (
                    (pyisolate.progress, "0.5"),
                    (pyisolate.progress, 0.5, 5),
                    (pyisolate.emit_event, 5),
                ):
                    try:
                        function(*args)
                    except TypeError:
                        raised.append(args)
                return raised
        """
        fractions = [0.5, 5, -1, float("nan"), True]
        for name, isolated in (("own", True), ("here", False)):
            ext = self.load(self.make_manager(), source, name, isolated=isolated)
            told = []
            calls = ext.options(on_progress=lambda fraction, text, told=told: told.append(fraction))
            self.assertEqual([["0.5"], [0.5, 5], [5]], calls.sync.tell(fractions))
            self.assertEqual([0.5, 1, 0, 0, 1], told)


if __name__ == "__main__":
    unittest.main()
