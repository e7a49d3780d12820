# SPDX-License-Identifier: MIT
# Run by the base interpreter with -I -S: tells what torch a directory of packages has, and makes
# wheels without content for uv to resolve with: they have the metadata of what is there.
#
# Arguments: SITE (the directory of packages), FOLDER (an empty one to write to). In FOLDER:
#   index/         a simple index of torch alone, without its requirements
#   links/         torch and all that it may need, with their requirements
#   pins           the versions of these
#   constraints    what they require of each other
# Prints one line of JSON. Nothing of SITE is imported.
import base64
import hashlib
import importlib.metadata
import json
import os
import re
import sys
import urllib.parse
import zipfile


def normalize(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement):
    """The name that a requirement begins with; what follows is for uv to understand."""
    return normalize(re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement).group(1))


def distributions(site):
    found = {}
    for dist in importlib.metadata.distributions(path=[site]):
        name = dist.metadata["Name"]
        if name:
            found.setdefault(normalize(name), dist)
    return found


def tags_of(dist):
    text = dist.read_text("WHEEL") or ""
    return [line[4:].strip() for line in text.splitlines() if line.startswith("Tag:")]


def fits(tags):
    """Whether this interpreter can import what was built for one of these tags."""
    here = "cp%d%d" % sys.version_info[:2]
    for tag in tags:
        python, abi, _ = tag.rsplit("-", 2)
        pythons = python.split(".")
        abis = abi.split(".")
        if "none" in abis and any(p in ("py3", here) for p in pythons):
            return True
        if here in abis:
            return True
        if "abi3" in abis and any(
            p.startswith("cp3") and int(p[3:]) <= sys.version_info[1] for p in pythons
        ):
            return True
    return not tags


def may_need(name, found):
    """What `name` may need, as far as it is there; uv knows which markers hold."""
    names, queue = [], [name]
    while queue:
        name = queue.pop()
        if name in names or name not in found:
            continue
        names.append(name)
        queue += [name_of(requirement) for requirement in found[name].requires or []]
    return names


def make_wheel(directory, dist, requires):
    name = re.sub(r"[-_.]+", "_", dist.metadata["Name"])
    version = dist.version
    metadata = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (dist.metadata["Name"], version)
    for extra in dist.metadata.get_all("Provides-Extra") or []:
        metadata += "Provides-Extra: %s\n" % extra
    for requirement in requires:
        metadata += "Requires-Dist: %s\n" % requirement
    folder = "%s-%s.dist-info" % (name, version)
    files = {
        folder + "/METADATA": metadata,
        folder + "/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    path = os.path.join(directory, "%s-%s-py3-none-any.whl" % (name, version))
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            data = text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += "%s,sha256=%s,%d\n" % (file, digest, len(data))
            wheel.writestr(zipfile.ZipInfo(file, (2020, 1, 1, 0, 0, 0)), data)
        wheel.writestr(zipfile.ZipInfo(folder + "/RECORD", (2020, 1, 1, 0, 0, 0)), record)
    return os.path.basename(path)


def find_problem(torch):
    if torch is None:
        return "it has no package torch"
    if not any(str(file) == "torch/__init__.py" for file in torch.files or []):
        return "its torch was not installed from a wheel: no RECORD lists its files"
    if not fits(tags_of(torch)):
        tags = ", ".join(tags_of(torch))
        here = "%d.%d" % sys.version_info[:2]
        return "its torch %s is built for %s, and not for Python %s" % (torch.version, tags, here)
    return None


def write_lines(path, lines):
    with open(path, "w") as file:
        file.writelines(line + "\n" for line in sorted(set(lines)))


def main():
    site, folder = sys.argv[1:3]
    found = distributions(site)
    torch = found.get("torch")
    problem = find_problem(torch)
    if problem is not None:
        print(json.dumps({"problem": problem}))
        return

    index = os.path.join(folder, "index", "torch")
    os.makedirs(index)
    wheel = make_wheel(index, torch, [])
    with open(os.path.join(index, "index.html"), "w") as page:
        page.write('<!DOCTYPE html><a href="%s">%s</a>\n' % (urllib.parse.quote(wheel), wheel))

    links = os.path.join(folder, "links")
    os.mkdir(links)
    constraints = ["torch==%s" % torch.version]
    pins = []
    for name in may_need("torch", found):
        requires = found[name].requires or []
        make_wheel(links, found[name], requires)
        pins.append("%s==%s" % (name, found[name].version))
        # What only an extra brings, nobody asked for.
        constraints += [text for text in requires if "extra" not in text.partition(";")[2]]
    write_lines(os.path.join(folder, "pins"), pins)
    write_lines(os.path.join(folder, "constraints"), constraints)
    digest = hashlib.sha256(torch.read_text("RECORD").encode()).hexdigest()
    print(json.dumps({"version": torch.version, "record": digest}))


main()
