# SPDX-License-Identifier: MIT
async def echo(value):
    return value
