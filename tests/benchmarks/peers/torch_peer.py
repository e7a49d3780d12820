# SPDX-License-Identifier: MIT
"""torch.multiprocessing: its pipe, with tensors in shared files (the strategy `file_system`)."""

import torch.multiprocessing

from . import pipe_worker
from .base import CannotError
from .pipe import Pipe


def serve(pipe):
    torch.multiprocessing.set_sharing_strategy("file_system")
    pipe_worker.serve(pipe)


class Torch(Pipe):
    cannot = {
        kind: reason for kind, reason in Pipe.cannot.items() if not kind.startswith("shared")
    } | {"ring": "one worker is measured: each takes seconds to start, and 175 MiB"}

    def open(self):
        torch.multiprocessing.set_sharing_strategy("file_system")
        context = torch.multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def share(self, array):
        if not isinstance(array, torch.Tensor):
            raise CannotError("NumPy's arrays are copied through the pipe")
        return array.share_memory_()


ADAPTERS = {"torch": Torch}
