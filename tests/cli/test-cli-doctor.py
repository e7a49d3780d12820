# SPDX-License-Identifier: MIT
"""pyisolate doctor."""

import os

from cli_helper import CliTest


class Doctor(CliTest):
    def checks(self, code: int, *arguments: object, **more) -> dict:
        value = self.check(code, "doctor", "--json", *arguments, **more).value
        self.assertEqual(code == 0, value["ok"])
        return {check["name"]: check for check in value["checks"]}

    def checks_anyway(self, **more) -> dict:
        value = self.run_cli("doctor", "--json", **more).value
        return {check["name"]: check for check in value["checks"]}

    def test_good(self):
        checks = self.checks(0)
        for name in (
            "uv",
            "python",
            "launcher",
            "worker runtime",
            "worker module",
            "venv root",
            "trial",
        ):
            self.assertEqual("ok", checks[name]["state"], checks[name])
        for name in ("kernel", "GLib", "pidfd", "child subreaper", "/proc, with children"):
            self.assertEqual("ok", checks[name]["state"], checks[name])
        for name in ("memfd seals", "Landlock", "user namespaces", "bubblewrap", "hard links"):
            self.assertIn(checks[name]["state"], ("ok", "note"))
        self.assertRegex(checks["uv"]["found"], r"^uv \d+\.")
        python = checks["python"]["found"].split(", ")[1]
        self.assertEqual(os.path.realpath(python), python)

    def test_text(self):
        text = self.check(0, "doctor").text
        self.assertRegex(text, r"(?m)^ok       uv ")
        self.assertTrue(text.endswith("\nExtensions can run.\n"))

    def test_leaves_nothing(self):
        root = self.folder / "not-there"
        state = self.folder / "state"
        self.checks(
            0, "--venv-root", root, env={"XDG_STATE_HOME": str(state), "TMPDIR": str(self.folder)}
        )
        self.assertFalse(root.exists())
        self.assertEqual([], [p for p in self.folder.rglob("*") if p.is_file()])

    def test_no_uv(self):
        checks = self.checks(3, env={"PYISOLATE_UV": "/no/such/uv"})
        self.assertEqual("missing", checks["uv"]["state"])
        self.assertIn("/no/such/uv", checks["uv"]["advice"])
        self.assertNotIn("trial", checks)
        text = self.check(3, "doctor", env={"PYISOLATE_UV": "/no/such/uv"}).text
        self.assertIn("Extensions cannot run", text)

    def test_uv_nowhere(self):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        checks = self.checks_anyway(env=env)
        if checks["uv"]["state"] == "ok":
            # The system has one.
            self.assertRegex(checks["uv"]["found"], r", /(usr/)?bin/uv$")
        else:
            self.assertIn("install it", checks["uv"]["advice"])

    def test_no_python(self):
        uv = self.checks(0)["uv"]["found"].split(", ")[1]
        checks = self.checks(3, env={"PATH": str(self.folder), "PYISOLATE_UV": uv})
        self.assertEqual("missing", checks["python"]["state"])
        self.assertIn("--python", checks["python"]["advice"])

    def test_no_parts(self):
        checks = self.checks(
            3, env={"PYISOLATE_LAUNCHER": "/no/launcher", "PYISOLATE_RUNTIME_DIR": "/no/run"}
        )
        for name in ("launcher", "worker runtime", "worker module"):
            self.assertEqual("missing", checks[name]["state"])
        self.assertIn("/no/launcher", checks["launcher"]["found"])
        self.assertIn("meson devenv", checks["launcher"]["advice"])

    def test_venv_root(self):
        file = self.folder / "file"
        file.write_text("")
        checks = self.checks(3, "--venv-root", file / "below")
        self.assertEqual("missing", checks["venv root"]["state"])
        self.assertIn(str(file), checks["venv root"]["found"])

    def test_uv_settings_without_values(self):
        url = "https://user:secret@localhost/simple"
        done = self.check(0, "doctor", "--json", env={"UV_DEFAULT_INDEX": url})
        checks = {check["name"]: check for check in done.value["checks"]}
        self.assertIn("UV_DEFAULT_INDEX", checks["uv's settings"]["found"])
        self.assertNotIn("secret", done.text + done.err)

    def test_uv_configuration_file(self):
        config = self.folder / "config" / "uv"
        config.mkdir(parents=True)
        (config / "uv.toml").write_text("offline = false\n")
        env = {"XDG_CONFIG_HOME": str(self.folder / "config")}
        self.assertIn(str(config / "uv.toml"), self.checks(0, env=env)["uv's settings"]["found"])
