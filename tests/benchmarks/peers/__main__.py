# SPDX-License-Identifier: MIT
# Short, as multiprocessing imports it into every process that it spawns.
if __name__ == "__main__":
    from peers.serve import main

    main()
