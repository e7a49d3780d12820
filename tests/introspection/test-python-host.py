# SPDX-License-Identifier: MIT
"""A host in Python: everything by the typelib alone, without an override."""

import os
import pathlib
import tempfile
import unittest

import gi

gi.require_version("PyIsolate", "1")
from gi.repository import Gio, GLib, GObject, PyIsolate  # noqa: E402

EXTENSION = '''
import os
import pyisolate


def add(a, b):
    """Add two numbers."""
    return a + b


async def ask(question):
    return await pyisolate.singleton("oracle").ask(question)


def tell(text):
    pyisolate.emit_event("told", text)


def fail():
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError("outer", 7) from error


def leave():
    os._exit(3)
'''
DEADLINE_SECONDS = 120


class Host(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pyisolate-gi-")
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        module = root / "module"
        module.mkdir()
        (module / "__init__.py").write_text(EXTENSION)
        self.manager = PyIsolate.ExtensionManager.new(str(root / "environments"))
        self.manager.props.python = os.environ["PYISOLATE_TEST_PYTHONS"].split(":")[-1]
        self.config = PyIsolate.ExtensionConfig.new("adder", str(module))
        self.addCleanup(lambda: self.manager.stop_all_sync(None))

    def wait_for(self, start, finish):
        """Run an asynchronous operation on the default main context, with a deadline."""
        answers = []
        loop = GLib.MainLoop()

        def done(source, result):
            answers.append(result)
            loop.quit()

        def too_late():
            loop.quit()
            return GLib.SOURCE_REMOVE

        guard = GLib.timeout_add_seconds(DEADLINE_SECONDS, too_late)
        start(done)
        loop.run()
        self.assertTrue(answers, "no answer in time")
        GLib.source_remove(guard)
        return finish(answers[0])

    def load(self):
        return self.wait_for(
            lambda done: self.manager.load_extension_async(self.config, None, done),
            self.manager.load_extension_finish,
        )

    def call(self, extension, method, args=None, kwargs=None):
        return self.wait_for(
            lambda done: extension.call_async(method, args, kwargs, None, done),
            extension.call_finish,
        )

    def test_load_call_stop(self):
        extension = self.load()
        self.assertEqual(extension.props.state, PyIsolate.ExtensionState.RUNNING)
        self.assertEqual(self.manager.get_n_items(), 1)
        self.assertIs(self.manager.get_extension("adder"), extension)
        result = self.call(extension, "add", GLib.Variant("(xx)", (2, 3)))
        self.assertEqual(result.unpack(), 5)
        result = self.call(extension, "add", None, GLib.Variant("a{sv}", {
            "a": GLib.Variant("s", "x"), "b": GLib.Variant("s", "y"),
        }))  # fmt: skip
        self.assertEqual(result.unpack(), "xy")
        self.assertEqual(
            extension.call_sync("add", GLib.Variant("(dd)", (0.5, 1)), None, None).unpack(), 1.5
        )
        method = extension.find_method("add")
        self.assertEqual(method.props.doc, "Add two numbers.")
        self.assertEqual([p.props.name for p in method.props.parameters], ["a", "b"])
        self.assertTrue(
            self.wait_for(lambda done: extension.stop_async(None, done), extension.stop_finish)
        )
        self.assertEqual(extension.props.state, PyIsolate.ExtensionState.STOPPED)
        with self.assertRaises(GLib.Error) as caught:
            self.call(extension, "add")
        self.assertTrue(
            caught.exception.matches(PyIsolate.error_quark(), PyIsolate.Error.NOT_RUNNING)
        )

    def test_remote_exception(self):
        extension = self.load()
        call = PyIsolate.Call.new("fail")
        with self.assertRaises(GLib.Error) as caught:
            self.wait_for(
                lambda done: extension.start_call_async(call, None, done),
                extension.start_call_finish,
            )
        error = caught.exception
        self.assertTrue(error.matches(PyIsolate.error_quark(), PyIsolate.Error.REMOTE_EXCEPTION))
        remote = call.dup_remote_exception()
        self.assertEqual(remote.get_type_name(), "ValueError")
        self.assertEqual(remote.get_args().unpack(), ["outer", 7])
        self.assertIn("in fail", remote.get_traceback())
        self.assertEqual(remote.get_cause().get_type_name(), "KeyError")

    def test_singleton_of_functions(self):
        oracle = PyIsolate.ProxiedSingleton.new()

        def ask(singleton, invocation):
            (question,) = invocation.get_args().unpack()
            if question == "why":
                invocation.return_error_literal(
                    Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND, "nobody knows"
                )
            else:
                invocation.return_value(GLib.Variant("s", question.upper()))

        self.assertTrue(oracle.add_method("ask", "s", "Ask.", ask))
        self.assertTrue(self.manager.add_singleton("oracle", oracle))
        self.config.props.apis = ["oracle"]
        extension = self.load()
        answer = self.call(extension, "ask", GLib.Variant("(s)", ("what",)))
        self.assertEqual(answer.unpack(), "WHAT")
        with self.assertRaises(GLib.Error) as caught:
            self.call(extension, "ask", GLib.Variant("(s)", ("why",)))
        self.assertIn("nobody knows", caught.exception.message)

    def test_events(self):
        events = []
        extension = self.load()
        extension.connect("event", lambda _, name, value: events.append((name, value.unpack())))
        self.call(extension, "tell", GLib.Variant("(s)", ("secret",)))
        context = GLib.MainContext.default()
        self.wait_for(lambda done: extension.ping_async(None, done), extension.ping_finish)
        while context.pending():
            context.iteration(False)
        self.assertEqual(events, [("told", "secret")])

    def test_death(self):
        extension = self.load()
        with self.assertRaises(GLib.Error) as caught:
            self.call(extension, "leave")
        self.assertTrue(caught.exception.matches(PyIsolate.error_quark(), PyIsolate.Error.DIED))
        self.assertIn("adder", caught.exception.message)
        again = self.load()
        self.assertEqual(self.call(again, "add", GLib.Variant("(xx)", (1, 1))).unpack(), 2)

    def test_bad_config(self):
        self.config.props.module_path = "/nowhere"
        with self.assertRaises(GLib.Error) as caught:
            self.load()
        self.assertTrue(
            caught.exception.matches(PyIsolate.error_quark(), PyIsolate.Error.BAD_CONFIG)
        )

    def test_what_only_the_library_makes(self):
        """Made by a binding all the same it is of no use, and does no harm."""
        for name in (
            "CallResult",
            "ExitReason",
            "Extension",
            "Invocation",
            "MethodInfo",
            "ParameterInfo",
            "RemoteException",
            "Tensor",
        ):
            GObject.new(getattr(PyIsolate, name)).run_dispose()

    def test_call_without_a_method(self):
        extension = self.load()
        with self.assertRaises(GLib.Error) as caught:
            extension.start_call_sync(PyIsolate.Call(), None)
        self.assertTrue(
            caught.exception.matches(PyIsolate.error_quark(), PyIsolate.Error.NO_SUCH_METHOD)
        )
