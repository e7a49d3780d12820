# SPDX-License-Identifier: MIT
"""What is run. It prepares nothing by itself: the application is host.py."""

if __name__ == "__main__":
    import sys

    import host

    sys.exit(host.main())
