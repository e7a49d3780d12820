# SPDX-License-Identifier: MIT
"""A host's program under every kind of main loop: as it is written, and beside a running one."""

import importlib.util
import os
import shutil
import textwrap
import unittest

from host_helper import SOURCE, HostTest, run_program

# Under any of these main.py is the same.
UNDER_GLIB = {
    "plain": """
        import main
    """,
    "callback": """
        from gi.repository import GLib
        loop = GLib.MainLoop()

        def start():
            import main
            loop.quit()

        GLib.idle_add(start)
        loop.run()
    """,
    "thread": """
        import threading
        from gi.repository import GLib
        loop = GLib.MainLoop()
        ticks = []

        def tick():
            ticks.append(1)
            return True

        def run():
            import main
            GLib.idle_add(loop.quit)

        GLib.timeout_add(1, tick)
        thread = threading.Thread(target=run)
        thread.start()
        loop.run()
        thread.join()
        assert ticks
    """,
    "policy": """
        import asyncio
        import pyisolate.glib
        from gi.repository import GLib
        asyncio.set_event_loop_policy(pyisolate.glib.EventLoopPolicy())
        loop = GLib.MainLoop()
        ticks = []

        def tick():
            ticks.append(1)
            return True

        def start():
            before = len(ticks)
            import main
            assert len(ticks) > before, "the main loop stood still"
            loop.quit()

        GLib.timeout_add(1, tick)
        GLib.idle_add(start)
        loop.run()
    """,
    "beside": """
        import asyncio
        import pyisolate.glib
        from gi.repository import GLib
        loop = GLib.MainLoop()
        ticks = []

        def tick():
            ticks.append(1)
            return True

        def start():
            asyncio.run = lambda coroutine: coroutine.close()
            from main import main
            pyisolate.glib.start(main()).add_done_callback(done)

        def done(task):
            task.result()
            assert ticks, "the main loop stood still"
            loop.quit()

        GLib.timeout_add(1, tick)
        GLib.idle_add(start)
        loop.run()
    """,
    "gtk": """
        import asyncio
        import gi
        gi.require_version("Gtk", "3.0")
        from gi.repository import Gtk
        import pyisolate.glib

        def on_clicked(button):
            asyncio.run = lambda coroutine: coroutine.close()
            from main import main
            pyisolate.glib.start(main()).add_done_callback(done)

        def done(task):
            task.result()
            Gtk.main_quit()

        window = Gtk.Window()
        button = Gtk.Button(label="Mean")
        button.connect("clicked", on_clicked)
        window.add(button)
        window.connect("map-event", lambda *event: button.clicked())
        window.show_all()
        Gtk.main()
    """,
}

# Of PyGObject from 3.50 on, whose own loop is the default main context's.
OWN_LOOP = """
    import asyncio
    from gi.events import GLibEventLoopPolicy
    policy = GLibEventLoopPolicy()
    asyncio.run = lambda coroutine: policy.get_event_loop().run_until_complete(coroutine)
    import main
"""
OWN_LOOP_BESIDE = """
    import asyncio
    import pyisolate.glib
    from gi.events import GLibEventLoopPolicy
    from gi.repository import GLib
    loop = GLibEventLoopPolicy().get_event_loop()

    def start():
        asyncio.run = lambda coroutine: coroutine.close()
        from main import main
        task = pyisolate.glib.start(main())
        assert task.get_loop() is loop
        task.add_done_callback(lambda task: loop.stop())

    GLib.idle_add(start)
    loop.run_forever()
"""

# What an application does beside its main loop, without a program of asyncio's.
WIDGETS = """
import asyncio
import sys
import threading

import gi
import pyisolate
import pyisolate.glib
from gi.repository import GLib

loop = GLib.MainLoop()
manager = pyisolate.ExtensionManager(pyisolate.ExtensionBase, {"venv_root_path": "./venvs"})
ext = manager.load_extension({"name": "sample", "module_path": sys.argv[1]})
seen = []


async def use():
    assert threading.current_thread() is threading.main_thread()
    seen.append(await ext.add(1, 2))
    seen.append(await asyncio.gather(*(ext.add(n, n) for n in range(20))))
    try:
        await asyncio.wait_for(ext.sleep(), 0.05)
    except asyncio.TimeoutError:
        seen.append("timeout")
    await asyncio.sleep(0.01)
    ext.register_event_handler("told", lambda value: told.set_result(value))
    told = asyncio.get_running_loop().create_future()
    await ext.tell(threading.current_thread().name)
    seen.append(await told)
    return "used"


def on_used(task):
    seen.append(task.result())
    GLib.idle_add(in_a_callback)


def in_a_callback():
    seen.append(ext.sync.add(3, 4))
    seen.append(pyisolate.glib.run(again()))
    pyisolate.glib.start(fail()).add_done_callback(on_failed)


async def again():
    assert asyncio.get_running_loop() is not pyisolate.glib._attached
    return await ext.add(5, 6)


async def fail():
    await ext.fail()


def on_failed(task):
    seen.append(repr(task.exception()))
    pyisolate.glib.start(ext.stop()).add_done_callback(lambda task: loop.quit())


GLib.idle_add(lambda: pyisolate.glib.start(use()).add_done_callback(on_used) and False)
loop.run()
print(*seen, sep="\\n")
"""

EXTENSION = """
import asyncio

import pyisolate


def add(a, b):
    return a + b


async def sleep():
    await asyncio.sleep(1000)


def fail():
    raise ValueError("failed")


def tell(value):
    pyisolate.emit_event("told", value)
"""


class Loops(HostTest):
    """The sample program; as it is written, with numpy, or with nothing from PyPI."""

    def setUp(self):
        super().setUp()
        self.program = self.folder / "program"
        shutil.copytree(SOURCE / "examples" / "python-host", self.program)
        if "PYISOLATE_TEST_ONLINE" not in os.environ:
            self.make_offline()

    def make_offline(self):
        main = self.program / "main.py"
        main.write_text(main.read_text().replace('"numpy>=2.0.0"', ""))
        stats = self.program / "extensions" / "stats" / "__init__.py"
        text = stats.read_text().replace("import numpy as np", "import statistics")
        stats.write_text(text.replace("np.array(data).mean()", "float(statistics.mean(data))"))

    def check(self, source, wrapper=()):
        path = self.program / "under.py"
        path.write_text(textwrap.dedent(source))
        done = run_program(path, cwd=self.program, wrapper=wrapper)
        self.assertEqual("", done.stderr)
        self.assertEqual("Mean: 3.0 {'mean': 3.0}\n", done.stdout)
        self.assertEqual(0, done.returncode)

    def test_sample(self):
        for name, source in UNDER_GLIB.items():
            with self.subTest(loop=name):
                self.check(source, ["xvfb-run", "-a"] if name == "gtk" else ())

    def test_beside_a_main_loop(self):
        path = self.folder / "widgets.py"
        path.write_text(WIDGETS)
        done = run_program(path, self.write(EXTENSION), cwd=self.folder)
        self.assertEqual("", done.stderr)
        doubled = [2 * n for n in range(20)]
        lines = ["3", doubled, "timeout", "MainThread", "used", "7", "11", "ValueError('failed')"]
        self.assertEqual([str(line) for line in lines], done.stdout.splitlines())

    def test_only_the_main_thread(self):
        import threading

        import pyisolate.glib

        raised = []

        def run():
            try:
                pyisolate.glib.EventLoop()
            except RuntimeError as error:
                raised.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        self.assertRegex(raised[0], "main thread")


if importlib.util.find_spec("gi.events"):

    class OwnLoop(Loops):
        """The loop that PyGObject has from 3.50 on."""

        def test_own_loop(self):
            self.check(OWN_LOOP)

        def test_beside_it(self):
            self.check(OWN_LOOP_BESIDE)


if __name__ == "__main__":
    unittest.main()
