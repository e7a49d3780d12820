# SPDX-License-Identifier: MIT
# Reads what an extension says about itself and prints it as one line of JSON:
#   {"ok": {...}}  or  {"error": "text", "code": "bad-config" | "no-toml"}
#
# Run by a base interpreter with -I -S; argument: the absolute path of a directory or of a single
# .py file. TOML needs Python 3.11 or the package tomli. Nothing of the extension is imported.
import json
import os
import re
import sys

try:
    import tomllib
except ImportError:
    try:
        import tomli as tomllib
    except ImportError:
        tomllib = None

# Key → kind, as in [tool.pyisolate].
KEYS = {
    "apis": "strings",
    "source-paths": "paths",
    "index-url": "string",
    "extra-index-urls": "strings",
    "find-links": "locations",
    "lock-file": "path",
    "python": "string",
    "allow-source-builds": "boolean",
    "auto-update": "boolean",
    "share-torch": "boolean",
    "kill-on-timeout": "boolean",
    "call-timeout": "seconds",
    "start-timeout": "seconds",
    "stop-timeout": "seconds",
}


class Refused(Exception):
    def __init__(self, message, code="bad-config"):
        super().__init__(message)
        self.code = code


def load_toml(text, where):
    if tomllib is None:
        raise Refused("no TOML reader", "no-toml")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused("%s is not TOML: %s" % (where, error)) from None


def read_text(path):
    # What is a pipe or a device would be read for ever.
    if not os.path.isfile(path):
        raise Refused("Cannot read %s: it is not a file" % path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("Cannot read %s: %s" % (path, error)) from None


def table(value, name, where):
    if not isinstance(value, dict):
        raise Refused("%s in %s is not a table" % (name, where))
    return value


def string(value, name, where):
    if not isinstance(value, str) or "\0" in value:
        raise Refused("%s in %s is not a string" % (name, where))
    return value


def strings(value, name, where):
    if not isinstance(value, list):
        raise Refused("%s in %s is not a list of strings" % (name, where))
    return [string(item, name, where) for item in value]


def absolute(path, base):
    return os.path.normpath(os.path.join(base, os.path.expanduser(path)))


def convert(kind, value, name, where, base):
    if kind == "string":
        return string(value, name, where)
    if kind == "strings":
        return strings(value, name, where)
    if kind == "path":
        return absolute(string(value, name, where), base)
    if kind == "paths":
        return [absolute(item, base) for item in strings(value, name, where)]
    if kind == "locations":
        return [
            item if "://" in item else absolute(item, base) for item in strings(value, name, where)
        ]
    if kind == "boolean":
        if not isinstance(value, bool):
            raise Refused("%s in %s is neither true nor false" % (name, where))
        return value
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not (value == -1 or 0 <= value < 1e12)
    ):
        raise Refused("%s in %s is not a number of seconds (or -1: no limit)" % (name, where))
    return -1 if value == -1 else int(value * 1000 + 0.5)


def read_tool(data, where, base):
    tool = table(data.get("tool", {}), "[tool]", where)
    settings = table(tool.get("pyisolate", {}), "[tool.pyisolate]", where)
    result = {}
    for key, value in settings.items():
        if key not in KEYS:
            raise Refused(
                "Unknown key %s in [tool.pyisolate] of %s; known are %s"
                % (key, where, ", ".join(sorted(KEYS)))
            )
        result[key] = convert(KEYS[key], value, "tool.pyisolate.%s" % key, where, base)
    return result


def read_pyproject(path, base):
    data = load_toml(read_text(path), path)
    project = table(data.get("project", {}), "[project]", path)
    dynamic = strings(project.get("dynamic", []), "project.dynamic", path)
    if "dependencies" in dynamic:
        raise Refused(
            "%s says that its dependencies are dynamic, known only to a program that builds it; "
            "list them in project.dependencies, or set dependencies in the configuration" % path
        )
    result = read_tool(data, path, base)
    if "name" in project:
        result["name"] = string(project["name"], "project.name", path)
    if "dependencies" in project:
        result["dependencies"] = strings(project["dependencies"], "project.dependencies", path)
    if "requires-python" in project:
        result["requires-python"] = string(
            project["requires-python"], "project.requires-python", path
        )
    return result


def read_requirements(path):
    lines = re.sub(r"\\\r?\n", " ", read_text(path)).splitlines()
    result = []
    for number, line in enumerate(lines, 1):
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not line:
            continue
        if re.search(r"(^|\s)-", line):
            what = (
                "hashes"
                if "--hash" in line
                else "the option %s" % re.search(r"(?:^|\s)(-[^\s=]*)", line).group(1)
            )
            raise Refused(
                "%s holds %s (line %d); only requirements are read from it. If it is a lock, set "
                "lock-file to it; indexes and links are set in the configuration"
                % (path, what, number)
            )
        result.append(line)
    return {"dependencies": result}


# As PEP 723 gives it.
BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


def read_script(path, base):
    text = read_text(path).replace("\r\n", "\n")
    blocks = [match for match in BLOCK.finditer(text) if match.group("type") == "script"]
    if not blocks:
        return {}
    if len(blocks) > 1:
        raise Refused("%s has more than one block of script metadata" % path)
    lines = blocks[0].group("content").splitlines(keepends=True)
    data = load_toml(
        "".join(line[2:] if line.startswith("# ") else line[1:] for line in lines),
        "The metadata of %s" % path,
    )
    result = read_tool(data, path, base)
    if "dependencies" in data:
        result["dependencies"] = strings(data["dependencies"], "dependencies", path)
    if "requires-python" in data:
        result["requires-python"] = string(data["requires-python"], "requires-python", path)
    return result


def read(path):
    if os.path.isfile(path):
        name = os.path.splitext(os.path.basename(path))[0]
        return dict({"name": name, "dependencies": []}, **read_script(path, os.path.dirname(path)))

    result = {"name": os.path.basename(path)}
    pyproject = os.path.join(path, "pyproject.toml")
    requirements = os.path.join(path, "requirements.txt")
    if os.path.exists(pyproject):
        result.update(read_pyproject(pyproject, path))
    if "dependencies" not in result and os.path.exists(requirements):
        result.update(read_requirements(requirements))
    result.setdefault("dependencies", [])
    return result


def main():
    try:
        answer = {"ok": read(sys.argv[1])}
    except Refused as error:
        answer = {"error": str(error), "code": error.code}
    print(json.dumps(answer))


main()
