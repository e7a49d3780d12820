# SPDX-License-Identifier: MIT
"""What the tests of the program share: a home, extensions, and processes to wait for."""

import json
import os
import pathlib
import select
import signal
import subprocess
import tempfile
import textwrap
import unittest

PROGRAM = os.environ["PYISOLATE_TEST_PROGRAM"]
SOURCE = pathlib.Path(os.environ["PYISOLATE_TEST_SOURCE"])
COMPLETION = SOURCE / "pyisolate-glib" / "cli" / "pyisolate-completion.bash"
# Nothing here takes longer, and nothing may hang.
DEADLINE = 180


class Done:
    """How a run ended."""

    def __init__(self, process: subprocess.CompletedProcess) -> None:
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr.decode()

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def value(self):
        return json.loads(self.out)


class CliTest(unittest.TestCase):
    """A folder of its own for each test; environments are kept for all of a file's."""

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="pyisolate-cli-")
        cls.addClassCleanup(folder.cleanup)
        cls.venv_root = pathlib.Path(folder.name) / "venvs"
        cls.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(pathlib.Path(folder.name) / "state"),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
        }

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="pyisolate-cli-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def extension(self, source: str, name: str = "sample", **files: str) -> pathlib.Path:
        """A directory with this __init__.py; other files are named with _ for a dot."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(textwrap.dedent(source))
        for file, text in files.items():
            (folder / file.replace("_", ".")).write_text(textwrap.dedent(text))
        return folder

    def command(self, command: str, *arguments: object) -> list:
        words = [PROGRAM, *command.split(), "--venv-root", str(self.venv_root)]
        return words + [str(argument) for argument in arguments]

    def run_cli(self, command: str, *arguments: object, stdin=b"", env=(), cwd=None) -> Done:
        process = subprocess.run(
            self.command(command, *arguments),
            input=stdin,
            capture_output=True,
            timeout=DEADLINE,
            env={**self.environment, **dict(env)},
            cwd=cwd or self.folder,
        )
        return Done(process)

    def check(self, code: int, command: str, *arguments: object, **more) -> Done:
        done = self.run_cli(command, *arguments, **more)
        self.assertEqual(code, done.code, f"{command} {arguments}\n{done.out!r}\n{done.err}")
        return done

    def call(self, extension: pathlib.Path, method: str, *arguments: object, **more):
        return self.check(0, "call", extension, method, *arguments, **more).value

    def start_cli(self, command: str, *arguments: object, **more) -> subprocess.Popen:
        """Signals are heard, whatever the tests were started with."""

        def listen() -> None:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)

        process = subprocess.Popen(
            self.command(command, *arguments),
            stdout=more.pop("stdout", subprocess.PIPE),
            stderr=more.pop("stderr", subprocess.PIPE),
            stdin=more.pop("stdin", subprocess.DEVNULL),
            env=self.environment,
            cwd=self.folder,
            preexec_fn=listen,
            **more,
        )
        self.addCleanup(self.end, process)
        return process

    def complete(self, *words: str) -> list:
        """What bash offers for the last of these words."""
        script = """
            PATH="$1:$PATH"
            . "$2"
            shift 2
            COMP_WORDS=("$@")
            COMP_CWORD=$(($# - 1))
            _pyisolate
            printf '%s\\n' "${COMPREPLY[@]}"
        """
        done = subprocess.run(
            ["bash", "-c", script, "bash", pathlib.Path(PROGRAM).parent, COMPLETION, *words],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env=self.environment,
            cwd=self.folder,
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout.split()

    @staticmethod
    def end(process: subprocess.Popen) -> None:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr, process.stdin):
            if stream:
                stream.close()


def read_line(process: subprocess.Popen, start: str) -> str:
    """The rest of the first line of the standard error that starts so."""
    for raw in process.stderr:
        line = raw.decode().rstrip("\n")
        if line.startswith(start):
            return line[len(start) :]
    raise AssertionError(f"the program ended without a line '{start}…'")


def watch(pid: int) -> int:
    """A descriptor that is readable when the process is gone; -1 if it is gone already."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return -1


def wait_gone(watched: int, seconds: float) -> bool:
    if watched < 0:
        return True
    readable, _, _ = select.select([watched], [], [], seconds)
    os.close(watched)
    return bool(readable)
