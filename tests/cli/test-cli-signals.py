# SPDX-License-Identifier: MIT
"""Ctrl-C and its like, and what is drawn on a terminal."""

import array
import errno
import fcntl
import os
import pathlib
import pty
import random
import re
import select
import signal
import subprocess
import termios
import time

from cli_helper import DEADLINE, CliTest, read_line, wait_gone, watch

# A worker that started something of its own, in a session of its own, and forgot about it.
BUSY = """
    import os, subprocess, sys, time

    def run():
        other = subprocess.Popen(["sleep", "600"], start_new_session=True)
        try:
            print("pids", os.getpid(), other.pid, flush=True)
            {wait}
        finally:
            print("cleaned up", flush=True)
"""
LOOP = BUSY.format(wait="while True: pass")
SLEEP = BUSY.format(wait="time.sleep(600)")
# Nothing but a kill ends it.
STUBBORN = """
    import os, time
    def run():
        told = False
        while True:
            try:
                if not told:
                    told = True
                    print("pids", os.getpid(), os.getpid(), flush=True)
                time.sleep(600)
            except BaseException:
                print("no", flush=True)
"""
# Nor has it to end at some time, once it was told to.
PATIENT = """
    [project]
    name = "sample"
    version = "1"
    [tool.pyisolate]
    stop-timeout = -1
"""

# A daemon by the book, begun by the import and by the method.
FORGETFUL = """
    import os, time

    def forget():
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", "600"])
            os._exit(0)
        os.wait()

    forget()

    def run():
        for _ in range(3):
            forget()
            time.sleep(0.02)
"""


def find_processes(mark: str) -> list:
    """Those that have this in their environment, and are no zombies."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            # A zombie has none any more.
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


class Signals(CliTest):
    def start(self, source: str, **files: str) -> tuple:
        extension = self.extension(source, **files)
        process = self.start_cli("call", extension, "run")
        pids = [int(word) for word in read_line(process, "sample: pids ").split()]
        watched = [watch(pid) for pid in pids]
        self.assertNotIn(-1, watched)
        return process, watched

    def check_gone(self, watched: list) -> None:
        # Within a second, where the machine has nothing else to do: see test-host-death.c.
        for descriptor in watched:
            self.assertTrue(wait_gone(descriptor, DEADLINE))

    def test_interrupt(self):
        for name, source in (("loop", LOOP), ("sleep", SLEEP)):
            with self.subTest(name):
                self.folder = self.folder / name
                process, watched = self.start(source)
                process.send_signal(signal.SIGINT)
                err = process.stderr.read().decode()
                self.assertEqual(130, process.wait(DEADLINE))
                self.assertIn("sample: cleaned up", err)
                self.assertNotIn("Traceback", err)
                self.check_gone(watched)

    def test_terminate_and_hang_up(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                self.folder = self.folder / number.name
                process, watched = self.start(SLEEP)
                process.send_signal(number)
                self.assertIn("cleaned up", process.stderr.read().decode())
                self.assertEqual(128 + number, process.wait(DEADLINE))
                self.check_gone(watched)

    def test_second_one_ends_it_at_once(self):
        """Though the extension has for ever to stop by itself."""
        process, watched = self.start(STUBBORN, pyproject_toml=PATIENT)
        process.send_signal(signal.SIGINT)
        read_line(process, "sample: no")
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(DEADLINE))
        self.check_gone(watched)

    def test_stubborn_one_is_killed(self):
        process, watched = self.start(STUBBORN)
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        self.assertEqual(130, process.wait(DEADLINE))
        self.check_gone(watched)

    def test_kill(self):
        process, watched = self.start(LOOP)
        process.kill()
        self.assertEqual(-signal.SIGKILL, process.wait(DEADLINE))
        self.check_gone(watched)

    def time_call(self, extension: pathlib.Path) -> float:
        start = time.monotonic()
        self.check(0, "call", extension, "run")
        return time.monotonic() - start

    def test_kill_at_any_moment(self):
        """Of the program, or of one of those that work for it."""
        extension = self.extension(FORGETFUL)
        duration = min(self.time_call(extension) for _ in range(3))
        killed = {"program": 0, "another": 0}
        for number in range(24):
            # The worker's home is in there, and nothing else has this name in its environment.
            mark = str(self.folder / f"state-{number}-")
            self.environment = {**self.environment, "XDG_STATE_HOME": mark}
            process = self.start_cli("call", extension, "run", stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0, duration))
            if number % 2 == 0:
                process.kill()
                killed["program"] += 1
            elif others := [pid for pid in find_processes(mark) if pid != process.pid]:
                try:
                    os.kill(random.choice(others), signal.SIGKILL)
                    killed["another"] += 1
                except ProcessLookupError:
                    pass
            process.wait(DEADLINE)
            deadline = time.monotonic() + DEADLINE
            while find_processes(mark):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
        self.assertGreater(killed["another"], 0, killed)

    def test_interrupt_while_importing(self):
        extension = self.extension(
            """
            import os, time
            print("pids", os.getpid(), flush=True)
            time.sleep(600)
            """
        )
        process = self.start_cli("call", extension, "m")
        watched = watch(int(read_line(process, "sample: pids ")))
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        self.assertEqual(130, process.wait(DEADLINE))
        self.check_gone([watched])

    def test_interrupt_while_reading(self):
        extension = self.extension("def m(a):\n    pass\n")
        reading, writing = os.pipe()
        process = self.start_cli("call", extension, "m", "-", stdin=reading)
        os.close(reading)
        # It has taken all of this when the pipe takes no more: it reads, and waits.
        os.write(writing, b"[")
        self.wait_drained(writing)
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(DEADLINE))
        os.close(writing)

    def wait_drained(self, pipe: int) -> None:
        self.wait_filled(pipe, 0)

    def wait_filled(self, pipe: int, size: int) -> None:
        deadline = time.monotonic() + DEADLINE
        left = array.array("i", [-1])
        while left[0] != size:
            self.assertLess(time.monotonic(), deadline)
            fcntl.ioctl(pipe, termios.FIONREAD, left)
            os.sched_yield()

    def test_interrupt_while_writing(self):
        """Nobody reads, and the pipe is full."""
        extension = self.extension("def m():\n    return 'x' * 5000000\n")
        process = self.start_cli("call", extension, "m")
        # The first of it is there, so that the rest is waiting.
        self.assertEqual(b'"', process.stdout.read(1))
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(DEADLINE))

    def test_output_that_does_not_wait(self):
        """Somebody who has that pipe too made it so: what it cannot take now it takes later."""
        extension = self.extension("def m():\n    return 'x' * 100000\n")
        reading, writing = os.pipe()
        size = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writing, False)
        process = self.start_cli("call", extension, "m", stdout=writing)
        os.close(writing)
        self.wait_filled(reading, size)
        with open(reading, "rb") as pipe:
            self.assertEqual(b'"' + b"x" * 100000 + b'"\n', pipe.read())
        self.assertEqual(0, process.wait(DEADLINE))

    def test_children_of_who_ignores_them(self):
        """A program that was started so hears of its own children all the same."""
        extension = self.extension(
            """
            import subprocess
            import sys
            def run():
                return subprocess.run([sys.executable, "-c", "exit(7)"]).returncode
            """,
            requirements_txt="",
        )
        process = subprocess.run(
            self.command("call", extension, "run"),
            capture_output=True,
            env=self.environment,
            preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
            timeout=DEADLINE,
        )
        self.assertEqual((0, b"7\n"), (process.returncode, process.stdout), process.stderr)

    def test_ignored_stays_ignored(self):
        """As in a shell script's background jobs, or under nohup."""
        extension = self.extension(
            """
            import sys
            def run():
                print("ready", flush=True)
                return sys.stdin.read()
            """
        )
        process = subprocess.Popen(
            self.command("call", extension, "run"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
        self.addCleanup(self.end, process)
        read_line(process, "sample: ready")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE)
        self.assertEqual((0, b'""\n'), (process.returncode, out))


class Terminal(CliTest):
    """The standard error is a pseudo-terminal."""

    def run_on_terminal(self, *arguments: object, both: bool = False) -> tuple:
        main, other = pty.openpty()
        out = other if both else subprocess.PIPE
        process = self.start_cli(*arguments, stderr=other, stdout=out)
        os.close(other)
        drawn = b""
        while select.select([main], [], [], DEADLINE)[0]:
            try:
                block = os.read(main, 65536)
            except OSError as error:
                self.assertEqual(errno.EIO, error.errno)
                break
            drawn += block
        os.close(main)
        out_text = b"" if both else process.stdout.read()
        return process.wait(DEADLINE), out_text.decode(), drawn.decode()

    PROGRESS = """
        import pyisolate
        def work():
            pyisolate.progress(0.25, "a quarter")
            print("said")
            pyisolate.progress(0.5, "half")
            return 1
    """

    def test_bar(self):
        extension = self.extension(self.PROGRESS)
        code, out, drawn = self.run_on_terminal("call", extension, "work")
        self.assertEqual((0, "1\n"), (code, out))
        self.assertRegex(drawn, r"\[######-{18}\]  25% a quarter")
        self.assertRegex(drawn, r"\[#{12}-{12}\]  50% half")
        # A line of the log is on a line of its own, and the bar is gone at the end. What is printed
        # comes by a pipe: it may come after the answer, when there is no bar any more.
        self.assertIn("\r\x1b[Ksample: said\r\n", drawn)
        after_bar = drawn.rpartition("\r\x1b[K")[2]
        self.assertIn(after_bar, ("", "sample: said\r\n"))

    def test_lines_with_verbose(self):
        extension = self.extension(self.PROGRESS)
        code, _, drawn = self.run_on_terminal("call", extension, "work", "--verbose")
        self.assertEqual(0, code)
        self.assertNotIn("\x1b", drawn)
        self.assertIn("a quarter\r\n", drawn)

    def test_dumb_terminal(self):
        self.environment = {**self.environment, "TERM": "dumb"}
        extension = self.extension(self.PROGRESS)
        code, _, drawn = self.run_on_terminal("call", extension, "work")
        self.assertEqual((0, "sample: said\r\n"), (code, drawn))

    def test_quiet_in_a_pipe(self):
        extension = self.extension(self.PROGRESS)
        done = self.check(0, "call", extension, "work")
        self.assertEqual("sample: said\n", done.err)
        done = self.check(0, "call", extension, "work", "--verbose")
        self.assertIn("a quarter\n", done.err)

    def test_json_in_lines(self):
        extension = self.extension("def work():\n    return {'a': [1]}\n")
        code, _, drawn = self.run_on_terminal("call", extension, "work", both=True)
        self.assertEqual(0, code)
        text = re.sub(r"[^\r\n]*\r\x1b\[K", "", drawn).replace("\r\n", "\n")
        self.assertTrue(text.endswith('{\n  "a" : [\n    1\n  ]\n}\n'), text)

    def test_ctrl_c_at_the_keyboard(self):
        """The terminal sends it to the whole foreground group; the worker is in none."""
        extension = self.extension(SLEEP)
        pid, main = pty.fork()
        if pid == 0:
            os.execve(
                self.command("call")[0],
                self.command("call", extension, "run"),
                self.environment,
            )
        drawn = b""
        while b"pids" not in drawn or not drawn.endswith(b"\n"):
            self.assertTrue(select.select([main], [], [], DEADLINE)[0])
            drawn += os.read(main, 65536)
        watched = [watch(int(p)) for p in re.findall(rb"pids (\d+) (\d+)", drawn)[0]]
        os.write(main, b"\x03")
        while True:
            try:
                if not os.read(main, 65536):
                    break
            except OSError:
                break
        _, status = os.waitpid(pid, 0)
        os.close(main)
        self.assertEqual(130, os.waitstatus_to_exitcode(status))
        for descriptor in watched:
            self.assertTrue(wait_gone(descriptor, 5))
