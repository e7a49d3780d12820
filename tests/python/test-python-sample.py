# SPDX-License-Identifier: MIT
"""The sample program as it is written, in a directory of its own."""

import shutil
import unittest

from host_helper import SOURCE, HostTest, run_program


class Sample(HostTest):
    deadline = 560  # packages are downloaded here

    def test_as_written(self):
        folder = self.folder / "program"
        shutil.copytree(SOURCE / "examples" / "python-host", folder)
        done = run_program("main.py", cwd=folder)
        self.assertEqual("", done.stderr)
        self.assertEqual("Mean: 3.0 {'mean': 3.0}\n", done.stdout)
        self.assertEqual(0, done.returncode)
        self.assertTrue((folder / "venvs").is_dir())


if __name__ == "__main__":
    unittest.main()
