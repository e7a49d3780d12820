# SPDX-License-Identifier: MIT
def extension_entrypoint():
    return 5
