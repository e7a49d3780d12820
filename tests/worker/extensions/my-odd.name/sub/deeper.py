# SPDX-License-Identifier: MIT
from ..helper import VALUE as FIRST

VALUE = FIRST + 1
