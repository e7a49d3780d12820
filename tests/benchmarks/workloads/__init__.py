# SPDX-License-Identifier: MIT
"""What is measured, without a word about who is measured."""

from .model import Workload
from .sets import all_workloads

__all__ = ["Workload", "all_workloads"]
