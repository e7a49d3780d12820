# SPDX-License-Identifier: MIT
def fail():
    raise LookupError("not at import")


fail()
