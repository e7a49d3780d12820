# SPDX-License-Identifier: MIT
"""pyisolate env: with wheels made here, and no index."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

from cli_helper import DEADLINE, SOURCE, CliTest, read_line

MAKE_WHEELS = SOURCE / "tests" / "environment" / "make-wheels.py"


class EnvTest(CliTest):
    def setUp(self):
        super().setUp()
        # The environments of one test only: it counts them.
        self.venv_root = self.folder / "venvs"
        self.wheels = self.folder / "wheels"
        self.wheels.mkdir()
        self.environment = {**self.environment, "UV_OFFLINE": "1", "UV_NO_INDEX": "1"}

    def make_wheels(self, *specs: str) -> None:
        subprocess.run(
            [sys.executable, MAKE_WHEELS, self.wheels, *specs], check=True, timeout=DEADLINE
        )

    def sample(self, *requirements: str, name: str = "sample") -> pathlib.Path:
        text = "\n".join(requirements)
        return self.extension("", name, requirements_txt=text)

    def create(self, extension: pathlib.Path, *arguments: object) -> dict:
        command = ("env create", extension, "--find-links", self.wheels, "--json", *arguments)
        (made,) = self.check(0, *command).value
        return made

    def list(self) -> list:
        return self.check(0, "env list", "--json").value

    def show(self, which: str) -> dict:
        return self.check(0, "env show", which, "--json").value


class Make(EnvTest):
    def test_create(self):
        self.make_wheels("alpha==1.0;requires=beta<2", "beta==1.5", "beta==2.0")
        made = self.create(self.sample("alpha"))
        self.assertEqual("sample", made["extension"])
        self.assertTrue(pathlib.Path(made["prefix"], "bin", "python").exists())
        info = self.show("sample")
        self.assertEqual(made["key"], info["key"])
        self.assertEqual(["alpha"], info["requirements"])
        self.assertEqual(["alpha 1.0", "beta 1.5"], info["packages"])
        self.assertEqual(["sample"], info["extensions"])
        self.assertFalse(info["in_use"])

    def lender(self) -> pathlib.Path:
        """Whose torch others use; a small wheel plays it, which then is nowhere else."""
        self.make_wheels("torch==2.13.0+fake;file=torch/__init__.py=VALUE = 'lent'\n")
        prefix = pathlib.Path(self.create(self.sample("torch", name="lender"))["prefix"])
        for wheel in self.wheels.iterdir():
            wheel.unlink()
        return prefix

    def test_torch_environment(self):
        source = "import torch\ndef look():\n    return torch.VALUE\n"
        prefix = self.lender()
        relative = os.path.relpath(prefix, self.folder)
        extension = self.extension(source)
        self.assertEqual("lent", self.call(extension, "look", "--torch-environment", relative))
        methods = self.check(
            0, "describe", extension, "--torch-environment", prefix, "--json"
        ).value
        self.assertEqual(["look"], [method["name"] for method in methods["methods"]])
        made = self.create(extension, "--torch-environment", prefix)
        self.assertEqual(["sample"], self.show(made["key"])["extensions"])
        self.assertFalse(list(pathlib.Path(made["prefix"]).glob("lib/python*/site-packages/torch")))

    def test_torch_environment_is_needed(self):
        text = '[project]\nname = "sample"\nversion = "1"\n[tool.pyisolate]\nshare-torch = true\n'
        extension = self.extension("", pyproject_toml=text)
        for command in ("call", "describe", "env create"):
            done = self.check(2, command, extension, *(["x"] if command == "call" else []))
            self.assertIn("--torch-environment", done.err)
        empty = self.folder / "empty"
        empty.mkdir()
        done = self.check(2, "call", extension, "x", "--torch-environment", empty)
        self.assertIn("torch", done.err)

    def test_create_again_makes_nothing(self):
        self.make_wheels("alpha==1.0")
        extension = self.sample("alpha")
        first = self.create(extension)
        stamp = os.stat(first["prefix"]).st_mtime_ns
        self.assertEqual(first, self.create(extension))
        self.assertEqual(stamp, os.stat(first["prefix"]).st_mtime_ns)

    def test_equal_requirements_share_one(self):
        self.make_wheels("alpha==1.0")
        one = self.create(self.sample("alpha", name="one"))
        two = self.create(self.sample("alpha", name="two"))
        self.assertEqual(one["key"], two["key"])
        (info,) = self.list()
        self.assertEqual(["one", "two"], info["extensions"])

    def test_several_at_once(self):
        self.make_wheels("alpha==1.0", "beta==1.0")
        folders = (self.sample("alpha", name="one"), self.sample("beta", name="two"))
        made = self.check(0, "env create", *folders, "--find-links", self.wheels, "--json").value
        self.assertEqual(["one", "two"], [each["extension"] for each in made])
        text = self.check(0, "env create", *folders, "--find-links", self.wheels).text
        self.assertEqual(
            [each["prefix"] for each in made], [line.split()[-1] for line in text.splitlines()]
        )

    def test_one_bad_does_not_spoil_the_others(self):
        self.make_wheels("alpha==1.0")
        good = self.sample("alpha", name="good")
        bad = self.sample("no-such-package", name="bad")
        done = self.check(3, "env create", bad, good, "--find-links", self.wheels, "--json")
        self.assertEqual(["good"], [each["extension"] for each in done.value])
        self.assertIn("no-such-package", done.err)

    def test_dep_and_python(self):
        self.make_wheels("alpha==1.0")
        for python in os.environ["PYISOLATE_TEST_PYTHONS"].split(":"):
            with self.subTest(python):
                name = f"p{abs(hash(python))}"
                extension = self.sample(name=name)
                self.create(extension, "--dep", "alpha==1.0", "--python", python)
                info = self.show(name)
                self.assertEqual(os.path.realpath(python), info["python"])
                self.assertEqual(["alpha 1.0"], info["packages"])

    def test_dep_is_a_path(self):
        self.make_wheels("alpha==1.0")
        wheel = "./wheels/alpha-1.0-py3-none-any.whl"
        made = self.create(self.sample(), "--dep", wheel)
        self.assertEqual(["alpha 1.0"], self.show(made["key"])["packages"])

    def test_lock(self):
        self.make_wheels("alpha==1.0", "alpha==2.0")
        lock = self.folder / "my.lock"
        lock.write_text("alpha==1.0\n")
        self.create(self.sample("alpha"), "--lock", "my.lock")
        self.assertEqual(["alpha 1.0"], self.show("sample")["packages"])

    def test_conflict(self):
        self.make_wheels("alpha==1.0;requires=beta<2", "beta==1.0", "beta==2.0")
        extension = self.sample("alpha", "beta>=2")
        done = self.check(3, "env create", extension, "--find-links", self.wheels)
        self.assertIn("beta", done.err)
        self.assertEqual([], self.list())

    def test_update(self):
        self.make_wheels("alpha==1.0")
        extension = self.sample("alpha")
        self.create(extension)
        self.make_wheels("alpha==1.1")
        self.create(extension)
        self.assertEqual(["alpha 1.0"], self.show("sample")["packages"])
        self.check(0, "env update", extension, "--find-links", self.wheels)
        self.assertEqual(["alpha 1.1"], self.show("sample")["packages"])

    def test_verbose_tells_the_stages(self):
        self.make_wheels("alpha==1.0")
        arguments = ("env create", self.sample("alpha"), "--find-links", self.wheels)
        done = self.check(0, *arguments, "--verbose")
        self.assertIn("Resolving", done.err)
        self.assertIn("Install", done.err)
        self.assertEqual("", self.check(0, *arguments).err)

    def test_interrupt(self):
        """While uv waits for an index that never answers: uv ends too, and nothing is left."""
        self.make_wheels("alpha==1.0")
        extension = self.sample("alpha")
        for name in ("UV_OFFLINE", "UV_NO_INDEX"):
            del self.environment[name]
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(DEADLINE)
            url = f"http://127.0.0.1:{server.getsockname()[1]}/simple"
            process = self.start_cli("env create", extension, "--index-url", url)
            connection, _ = server.accept()
            with connection:
                connection.settimeout(DEADLINE)
                process.send_signal(signal.SIGINT)
                # The other end is closed only when uv is gone.
                while connection.recv(65536):
                    pass
            self.assertEqual(b"", process.stderr.read())
            self.assertEqual(130, process.wait(DEADLINE))
        self.assertEqual([], self.list())
        self.check(
            0, "env create", extension, "--find-links", self.wheels, env={"UV_NO_INDEX": "1"}
        )


class Use(EnvTest):
    VERSION = "import alpha\ndef version():\n    return alpha.version\n"

    def setUp(self):
        super().setUp()
        self.make_wheels("alpha==1.0", "alpha==2.0")

    def test_callers_packages_stay_outside(self):
        """What the caller's Python finds is none of the extension's business."""
        (self.folder / "outside" / "alpha").mkdir(parents=True)
        (self.folder / "outside" / "alpha" / "__init__.py").write_text("version = 'outside'\n")
        env = {"PYTHONPATH": str(self.folder / "outside"), "PYTHONHOME": "/no/home"}
        links = ("--find-links", self.wheels)
        for wanted in ("1.0", "2.0"):
            extension = self.extension(self.VERSION, f"wants-{wanted}")
            dep = f"alpha=={wanted}"
            self.assertEqual(wanted, self.call(extension, "version", "--dep", dep, *links, env=env))
        extension = self.extension(self.VERSION, "wants-none")
        done = self.check(1, "call", extension, "version", env=env)
        self.assertIn("No module named 'alpha'", done.err)

    WAIT = """
def wait(path):
    print("ready", flush=True)
    open(path).read()
    return version()
"""

    def test_one_directory_twice_at_once(self):
        extension = self.extension(self.VERSION + self.WAIT)
        running = {}
        for version in ("1.0", "2.0"):
            gate = self.folder / f"gate-{version}"
            os.mkfifo(gate)
            arguments = ("wait", f'"{gate}"', "--dep", f"alpha=={version}")
            process = self.start_cli("call", extension, *arguments, "--find-links", self.wheels)
            running[version] = (process, gate)
        for process, _ in running.values():
            read_line(process, "sample: ready")
        for version, (process, gate) in running.items():
            with open(gate, "w"):
                pass
            out, err = process.communicate(timeout=DEADLINE)
            self.assertEqual((0, f'"{version}"\n'), (process.returncode, out.decode()), err)


class Look(EnvTest):
    def test_list(self):
        self.assertEqual([], self.list())
        self.assertIn("0 environments in", self.check(0, "env list").text)
        self.make_wheels("alpha==1.0;pad=3000000", "beta==1.0;pad=1000")
        self.create(self.sample("alpha", name="big"))
        self.create(self.sample("beta", name="small"))
        both = {info["extensions"][0]: info for info in self.list()}
        self.assertGreater(both["big"]["size_total"], 3000000)
        self.assertLess(both["small"]["size_total"], 3000000)
        for info in both.values():
            self.assertLessEqual(info["size_unique"], info["size_total"])
            self.assertRegex(info["created"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        lines = self.check(0, "env list").text.splitlines()
        self.assertIn("EXTRA DISK", lines[0])
        self.assertEqual(4, len(lines))
        self.assertIn("2 environments in", lines[-1])

    def test_show(self):
        self.make_wheels("alpha==1.0")
        key = self.create(self.sample("alpha"))["key"]
        text = self.check(0, "env show", "sample").text
        for part in (key, "alpha 1.0", "extra disk:"):
            self.assertIn(part, text)
        self.assertEqual(text, self.check(0, "env show", key[:8]).text)

    def test_completion(self):
        self.make_wheels("alpha==1.0")
        key = self.create(self.sample("alpha"))["key"]
        words = ("pyisolate", "env", "show", "--venv-root", str(self.venv_root))
        (offered,) = self.complete(*words, "")
        self.assertTrue(key.startswith(offered))
        self.assertEqual([offered], self.complete(*words, key[:3]))
        self.assertEqual(key, self.show(offered)["key"])

    def test_unknown(self):
        for command in ("show", "verify", "repair", "remove"):
            with self.subTest(command):
                done = self.check(2, f"env {command}", "nobody")
                self.assertIn("nobody", done.err)
                self.assertEqual("", done.text)

    def test_credentials_stay_hidden(self):
        self.make_wheels("alpha==1.0")
        url = "http://user:sesame@localhost:1/simple"
        extension = self.sample("alpha")
        done = self.run_cli(
            "env create", extension, "--find-links", self.wheels, "--index-url", url, "-v"
        )
        everything = done.text + done.err
        for arguments in (("env list", "--json"), ("env show", "sample")):
            done = self.run_cli(*arguments)
            everything += done.text + done.err
        self.assertNotIn("sesame", everything)
        for file in self.venv_root.rglob("*"):
            if file.is_file() and not file.is_symlink():
                self.assertNotIn(b"sesame", file.read_bytes(), file)


class Care(EnvTest):
    def spoil(self, prefix: str) -> pathlib.Path:
        (module,) = pathlib.Path(prefix).glob("lib/python3*/site-packages/alpha/__init__.py")
        # A new file in its place: the old one is shared with uv's cache.
        module.unlink()
        module.write_text("spoiled = True\n")
        return module

    def test_a_missing_file_is_mended_at_load(self):
        """Once, and the log says so; what no file of the environment's is to blame for is not."""
        self.make_wheels("alpha==1.0")
        sample = self.extension(
            "import alpha\ndef where():\n    return alpha.__file__\n", requirements_txt="alpha"
        )
        links = ("--find-links", self.wheels)
        module = pathlib.Path(self.check(0, "call", *links, sample, "where").value)
        shutil.rmtree(module.parent)
        done = self.check(0, "call", *links, sample, "where")
        self.assertIn("is damaged", done.err)
        self.assertIn("was made again", done.err)
        self.assertNotEqual(module, pathlib.Path(done.value))
        self.assertNotIn("damaged", self.check(0, "call", *links, sample, "where").err)

        broken = self.extension("import not_there\n", "broken", requirements_txt="alpha")
        done = self.check(1, "call", *links, broken, "where")
        self.assertIn("ModuleNotFoundError: No module named 'not_there'. A package", done.err)
        self.assertIn("has to be named in its dependencies", done.err)
        self.assertNotIn("damaged", done.err)

    def test_verify_and_repair(self):
        self.make_wheels("alpha==1.0", "beta==1.0")
        key = self.create(self.sample("alpha"))["key"]
        other = self.create(self.sample("beta", name="other"))["key"]
        done = self.check(0, "env verify")
        self.assertIn("every file is as it was installed", done.text)
        self.assertIn(other, done.text)

        module = self.spoil(self.show("sample")["prefix"])
        done = self.check(3, "env verify")
        self.assertIn(f"{key}: changed", done.text)
        self.assertIn("alpha/__init__.py", done.text)
        self.assertIn(f"pyisolate env repair {key}", done.err)
        verdicts = {v["environment"]: v for v in self.check(3, "env verify", "--json").value}
        self.assertEqual([], verdicts[other]["problems"])
        (problem,) = verdicts[key]["problems"]
        self.assertEqual("changed", problem["kind"])
        self.assertTrue(problem["path"].endswith("alpha/__init__.py"))
        self.check(0, "env verify", "other")

        module.unlink()
        self.assertIn("missing", self.check(3, "env verify", "sample").text)
        self.check(0, "env repair", "sample", "--find-links", self.wheels)
        self.check(0, "env verify", "sample")
        self.assertEqual(["alpha 1.0"], self.show("sample")["packages"])

    def test_verify_beside_a_maker(self):
        """What is not made yet is no damage, and nothing to remove."""
        self.make_wheels("alpha==1.0")
        key = self.create(self.sample("alpha"))["key"]
        for other in ("0" * 32, "f" * 32):  # one before it in the list, and one behind
            (self.venv_root / "environments" / other / ".new-000000").mkdir(parents=True)
        self.assertEqual(
            [key], [v["environment"] for v in self.check(0, "env verify", "--json").value]
        )
        for command in ("env verify", "env repair"):
            err = self.check(3, command, "f" * 32).err
            self.assertIn("is being made", err)
            self.assertNotIn("remove it", err)

    def test_remove(self):
        self.make_wheels("alpha==1.0")
        made = self.create(self.sample("alpha"))
        self.check(0, "env remove", "sample")
        self.assertEqual([], self.list())
        self.assertFalse(os.path.exists(made["prefix"]))

    def test_what_is_used_stays(self):
        self.make_wheels("alpha==1.0")
        extension = self.sample("alpha")
        (extension / "__init__.py").write_text(
            "import alpha, time\ndef m():\n    print('ready', flush=True)\n    time.sleep(600)\n"
        )
        process = self.start_cli("call", extension, "m", "--find-links", self.wheels)
        read_line(process, "sample: ready")
        self.assertTrue(self.show("sample")["in_use"])
        done = self.run_cli("env remove", "sample")
        self.assertEqual(3, done.code)
        self.assertIn("use", done.err)
        self.check(0, "env prune")
        self.assertEqual(1, len(self.list()))
        process.send_signal(signal.SIGINT)
        self.assertEqual(130, process.wait(DEADLINE))
        self.check(0, "env remove", "sample")

    def test_what_cannot_be_read_is_not_empty(self):
        self.venv_root.mkdir()
        for folder in ("environments", "index"):
            with self.subTest(folder):
                # As good as one that belongs to another user.
                (self.venv_root / folder).write_text("")
                for command in ("list", "show sample", "verify", "prune"):
                    done = self.check(3, f"env {command}")
                    self.assertIn(f"Cannot read what is in {self.venv_root}", done.err)
                (self.venv_root / folder).unlink()

    def test_prune_knows_all_users_or_removes_nothing(self):
        """As after a run by root, whose record of the use nobody else may read."""
        self.make_wheels("alpha==1.0")
        key = self.create(self.sample("alpha"))["key"]
        (record,) = (self.venv_root / "index").iterdir()
        kept = record.rename(self.venv_root / "kept")
        record.mkdir()
        for command in ("list", f"show {key}", "prune", "prune --older-than 0", f"remove {key}"):
            with self.subTest(command):
                self.assertIn(str(record), self.check(3, f"env {command}").err)
        record.rmdir()
        kept.rename(record)
        self.assertEqual([["sample"]], [info["extensions"] for info in self.list()])
        self.check(0, "env prune")
        (environment,) = self.list()
        self.assertEqual((key, 1), (environment["key"], environment["generation"]))

    def test_prune_says_that_it_cannot(self):
        """As of a root that may only be read."""
        self.make_wheels("alpha==1.0")
        key = self.create(self.sample("alpha"))["key"]
        guard = self.venv_root / "guards" / f"{key}.lock"
        guard.unlink()
        guard.mkdir()
        self.assertIn(str(guard), self.check(3, "env prune").err)
        guard.rmdir()
        self.check(0, "env prune")

    def test_prune(self):
        """An extension that asks for something else refers to the first one no longer."""
        self.make_wheels("alpha==1.0", "beta==1.0")
        extension = self.sample("alpha")
        first = self.create(extension)["key"]
        (extension / "requirements.txt").write_text("beta\n")
        second = self.create(extension)["key"]
        self.assertEqual({first, second}, {info["key"] for info in self.list()})

        report = self.check(0, "env prune", "--older-than", "1", "--json").value
        self.assertEqual(0, report["environments"])
        report = self.check(0, "env prune", "--json").value
        self.assertEqual(1, report["environments"])
        self.assertGreater(report["freed"], 0)
        self.assertEqual([second], [info["key"] for info in self.list()])
        self.assertIn("Removed: 0 environments", self.check(0, "env prune").text)

    def test_prune_by_age(self):
        self.make_wheels("alpha==1.0", "beta==1.0")
        extension = self.sample("alpha")
        first = self.create(extension)["key"]
        (extension / "requirements.txt").write_text("beta\n")
        second = self.create(extension)["key"]
        # Both are older than no day at all, to the second.
        while self.list()[0]["created"] >= self.now():
            pass
        report = self.check(0, "env prune", "--older-than", "0", "--json").value
        self.assertEqual(1, report["environments"])
        self.assertNotEqual(first, second)
        self.assertEqual([second], [info["key"] for info in self.list()])

    def test_prune_by_age_at_once(self):
        """What somebody else has removed meanwhile is no error."""
        names = [f"alpha{i}" for i in range(12)]
        self.make_wheels(*(f"{name}==1.0" for name in names), "beta==1.0")
        extension = self.sample(names[0])
        for name in [*names, "beta"]:
            (extension / "requirements.txt").write_text(f"{name}\n")
            kept = self.create(extension)["key"]
        while max(info["created"] for info in self.list()) >= self.now():
            pass
        command = ("env prune", "--older-than", "0", "--json")
        processes = [self.start_cli(*command) for _ in range(4)]
        removed = 0
        for process in processes:
            out, err = process.communicate(timeout=DEADLINE)
            self.assertEqual(0, process.returncode, err)
            removed += json.loads(out)["environments"]
        self.assertEqual(len(names), removed)
        self.assertEqual([kept], [info["key"] for info in self.list()])

    @staticmethod
    def now() -> str:
        import datetime

        return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
