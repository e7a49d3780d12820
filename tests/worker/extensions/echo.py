# SPDX-License-Identifier: MIT
def echo(value):
    return value
