# SPDX-License-Identifier: MIT
# Run by the base interpreter with -I -S: lends an environment the torch of another one.
#
# Arguments: SITE (where torch is), RECORD (the digest that its RECORD must have), FOLDER (to make),
# PTH (the file that puts FOLDER on the path), NAME… (the packages to lend). FOLDER gets links to
# the files that the RECORDs of these packages list, and to nothing else: a directory that holds
# nobody else's files is one link. Nothing of SITE is imported, copied or written to.
import hashlib
import importlib.metadata
import os
import re
import sys

CACHE = "__pycache__"


def normalize(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def owned_files(site, names, record):
    """Paths below SITE, and the directories that they are in."""
    files, directories, seen = set(), set(), set()
    for dist in importlib.metadata.distributions(path=[site]):
        name = normalize(dist.metadata["Name"] or "")
        if name not in names or name in seen:
            continue
        seen.add(name)
        if name == "torch":
            digest = hashlib.sha256((dist.read_text("RECORD") or "").encode()).hexdigest()
            if digest != record:
                sys.exit("the torch in %s is not the one that it was" % site)
        if dist.files is None:
            sys.exit("the package %s in %s has no RECORD" % (name, site))
        for file in dist.files:
            parts = os.path.normpath(str(file)).split(os.sep)
            # Scripts are installed elsewhere.
            if parts[0] in ("..", "") or CACHE in parts:
                continue
            files.add(os.path.join(*parts))
            directories.update(os.path.join(*parts[:n]) for n in range(1, len(parts)))
    if seen != set(names):
        sys.exit("%s lacks %s" % (site, ", ".join(sorted(set(names) - seen))))
    return files, directories


class Linker:
    def __init__(self, site, folder, files, directories):
        self.site = site
        self.folder = folder
        self.files = files
        self.directories = directories

    def is_pure(self, directory):
        """Whether all in it belongs to the packages."""
        for root, names, files in os.walk(os.path.join(self.site, directory)):
            if CACHE in names:
                names.remove(CACHE)
            below = os.path.relpath(root, self.site)
            if any(os.path.join(below, file) not in self.files for file in files):
                return False
            # os.walk() does not enter these, and they may lead anywhere.
            if any(os.path.islink(os.path.join(root, name)) for name in names):
                return False
        return True

    def link(self, path):
        os.symlink(os.path.join(self.site, path), os.path.join(self.folder, path))

    def link_directory(self, directory):
        if self.is_pure(directory):
            self.link(directory)
            return
        os.mkdir(os.path.join(self.folder, directory))
        self.link_content(directory)

    def link_content(self, directory):
        for name in sorted(os.listdir(os.path.join(self.site, directory))):
            path = os.path.join(directory, name) if directory else name
            if path in self.files:
                self.link(path)
                self.link_bytecode(directory, name)
            elif path in self.directories:
                self.link_directory(path)

    def link_bytecode(self, directory, name):
        stem, extension = os.path.splitext(name)
        cached = "%s.%s.pyc" % (stem, sys.implementation.cache_tag)
        path = os.path.join(directory, CACHE, cached)
        if extension == ".py" and os.path.exists(os.path.join(self.site, path)):
            os.makedirs(os.path.join(self.folder, directory, CACHE), exist_ok=True)
            self.link(path)


def main():
    site, record, folder, pth = sys.argv[1:5]
    files, directories = owned_files(site, sys.argv[5:], record)
    os.mkdir(folder)
    Linker(site, folder, files, directories).link_content("")
    # Behind the environment's own packages.
    with open(pth, "w") as file:
        file.write(os.path.relpath(folder, os.path.dirname(pth)) + "\n")


main()
