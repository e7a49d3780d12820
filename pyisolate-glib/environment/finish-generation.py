# SPDX-License-Identifier: MIT
# Run by the base interpreter with -I -S on an environment that was just installed: compiles its
# Python files, with the paths of its final place in them, and writes a manifest of every file.
# Nothing of the environment is imported or run.
#
# Arguments: PREFIX (where it is now), FINAL (where it will be), MANIFEST (file to write).
# Prints "TOTAL n" and then "DONE n" now and then; pyisolate-env-manifest.c documents the manifest.
import contextlib
import hashlib
import os
import py_compile
import stat
import sys

OURS = ".pyisolate"


def escape(path):
    data = os.fsencode(path)
    return "".join(chr(c) if 0x20 < c < 0x7F and c != 0x25 else "%%%02X" % c for c in data)


def walk(prefix):
    for directory, names, files in os.walk(prefix):
        if directory == prefix and OURS in names:
            names.remove(OURS)
        names.sort()
        for name in names + files:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode) or stat.S_ISREG(mode):
                yield path, mode


def describe(path, mode, prefix):
    name = escape(os.path.relpath(path, prefix))
    if stat.S_ISLNK(mode):
        return "link %s %s\n" % (escape(os.readlink(path)), name)
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return "file %s %s\n" % (digest.hexdigest(), name)


def bytecode_path(path):
    directory, base = os.path.split(path)
    return os.path.join(
        directory, "__pycache__", "%s.%s.pyc" % (base[:-3], sys.implementation.cache_tag)
    )


def compile_one(path, prefix, final):
    # A file that is no Python for this version (a template, a test of a parser) is the package's
    # business: it is an error if somebody imports it, and then Python says it better.
    harmless = (py_compile.PyCompileError, ValueError, RecursionError, MemoryError)
    with contextlib.suppress(*harmless):
        py_compile.compile(
            path,
            cfile=bytecode_path(path),
            dfile=os.path.join(final, os.path.relpath(path, prefix)),
            doraise=True,
            quiet=2,
        )


def work(entries, prefix, final, part, parent, progress):
    with open(part, "w") as out:
        for path, mode in entries:
            # Not our parent's child any more: it was killed, and nobody wants the rest.
            if os.getppid() != parent:
                os._exit(1)
            out.write(describe(path, mode, prefix))
            if is_source(path, mode):
                compile_one(path, prefix, final)
                target = bytecode_path(path)
                if os.path.exists(target):
                    out.write(describe(target, stat.S_IFREG, prefix))
            os.write(progress, b".")


def is_source(path, mode):
    return stat.S_ISREG(mode) and path.endswith(".py") and os.sep + "site-packages" + os.sep in path


def in_child(function, *arguments):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            function(*arguments)
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    return child


def main():
    prefix, final, manifest = sys.argv[1:4]
    entries = list(walk(prefix))
    # What we write ourselves is described when it is written.
    ours = {bytecode_path(path) for path, mode in entries if is_source(path, mode)}
    entries = [entry for entry in entries if entry[0] not in ours]
    # Big files first and in turn, so that the workers have much the same to do.
    entries.sort(key=lambda entry: -os.lstat(entry[0]).st_size)
    jobs = max(1, min(4, len(os.sched_getaffinity(0)), len(entries) // 50 + 1))
    print("TOTAL %d" % len(entries), flush=True)

    reader, writer = os.pipe()
    parts = ["%s.%d" % (manifest, job) for job in range(jobs)]
    children = [
        in_child(work, entries[job::jobs], prefix, final, parts[job], os.getpid(), writer)
        for job in range(jobs)
    ]
    os.close(writer)
    done = 0
    for dots in iter(lambda: os.read(reader, 4096), b""):
        done += len(dots)
        print("DONE %d" % done, flush=True)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    if any(statuses):
        sys.exit("compiling bytecode failed")

    lines = []
    for part in parts:
        with open(part) as file:
            lines += file.readlines()
        os.unlink(part)
    with open(manifest, "w") as file:
        file.writelines(sorted(lines))


main()
