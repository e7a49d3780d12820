#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare the public face in a GIR file with the committed one, or take it over.

What says nothing about the interface is left out first: documentation, places in the source,
and the attributes that newer scanners derive from names. So the file changes when, and only when,
somebody's program may notice.
"""

import argparse
import difflib
import pathlib
import sys
import xml.etree.ElementTree as ET

NAMESPACES = {
    "": "http://www.gtk.org/introspection/core/1.0",
    "c": "http://www.gtk.org/introspection/c/1.0",
    "glib": "http://www.gtk.org/introspection/glib/1.0",
}
CORE = "{" + NAMESPACES[""] + "}"
GLIB = "{" + NAMESPACES["glib"] + "}"
DROPPED_ELEMENTS = {
    CORE + name
    for name in ("doc", "doc-deprecated", "doc-version", "doc-stability", "source-position")
}
DERIVED_ATTRIBUTES = {GLIB + name for name in ("finish-func", "sync-func", "async-func")}


def strip(element: ET.Element) -> None:
    for child in list(element):
        if child.tag in DROPPED_ELEMENTS:
            element.remove(child)
        else:
            strip(child)
    for name in DERIVED_ATTRIBUTES & set(element.attrib):
        del element.attrib[name]
    element.text = element.tail = None


def canonical(gir: pathlib.Path) -> str:
    for prefix, uri in NAMESPACES.items():
        ET.register_namespace(prefix, uri)
    namespace = ET.parse(gir).getroot().find(CORE + "namespace")
    if namespace is None:
        raise SystemExit(f"{gir}: has no namespace element")
    # A distribution may name the file of the library with another path.
    namespace.attrib.pop("shared-library", None)
    strip(namespace)
    # A list by name: moving a function to another file changes nothing for a caller.
    namespace[:] = sorted(namespace, key=lambda e: (e.get("name", ""), e.tag))
    ET.indent(namespace)
    return ET.tostring(namespace, encoding="unicode") + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--update", action="store_true", help="take the new face over")
    parser.add_argument("gir", type=pathlib.Path)
    parser.add_argument("expected", type=pathlib.Path)
    arguments = parser.parse_args()

    new = canonical(arguments.gir)
    if arguments.update:
        arguments.expected.write_text(new)
        return 0
    old = arguments.expected.read_text()
    if old == new:
        return 0
    sys.stdout.writelines(
        difflib.unified_diff(
            old.splitlines(keepends=True),
            new.splitlines(keepends=True),
            str(arguments.expected),
            str(arguments.gir),
        )
    )
    print(
        "The public interface has changed. If that is wanted:"
        " `meson compile -C build update-gir`, and commit the result.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
