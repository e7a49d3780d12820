# SPDX-License-Identifier: MIT
"""Its stop hook never ends, and it wants no signal."""

import signal
import time

import pyisolate

signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Stubborn(pyisolate.ExtensionBase):
    def stop(self):
        print("stopping", flush=True)
        while True:
            time.sleep(1000)

    def fine(self):
        return "fine"
