# SPDX-License-Identifier: MIT
def name():
    return __name__
