# SPDX-License-Identifier: MIT
"""What the library exports: everything that the GIR describes, and nothing outside the prefix."""

import os
import re
import subprocess
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

CORE = "{http://www.gtk.org/introspection/core/1.0}"
C_TYPE = "{http://www.gtk.org/introspection/c/1.0}type"
SYMBOL_PREFIX = "{http://www.gtk.org/introspection/c/1.0}symbol-prefix"
C_IDENTIFIER = "{http://www.gtk.org/introspection/c/1.0}identifier"
GET_TYPE = "{http://www.gtk.org/introspection/glib/1.0}get-type"


def exported_symbols(library: str) -> set:
    lines = subprocess.run(
        ["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return {line.split()[2].partition("@")[0] for line in lines}


class ExportedSymbols(unittest.TestCase):
    def setUp(self):
        self.symbols = exported_symbols(os.environ["PYISOLATE_TEST_LIBRARY"])

    def test_prefix(self):
        foreign = {name for name in self.symbols if not re.match(r"pyisolate_[a-z]", name)}
        self.assertEqual(foreign, set())

    def test_all_that_is_described(self):
        described = set()
        for element in ET.parse(os.environ["PYISOLATE_TEST_GIR"]).iter():
            described.add(element.get(GET_TYPE))
            # Macros and enumerators have identifiers in capitals.
            identifier = element.get(C_IDENTIFIER)
            if identifier and identifier.islower():
                described.add(identifier)
        described.discard(None)
        self.assertEqual(described - self.symbols, set())

    def test_nothing_that_is_not_described(self):
        gir = ET.parse(os.environ["PYISOLATE_TEST_GIR"])
        described = {
            value
            for element in gir.iter()
            for value in (element.get(C_IDENTIFIER), element.get(GET_TYPE))
        }
        # The quark function is the error-domain attribute of the enumeration instead.
        described.add("pyisolate_error_quark")
        self.assertEqual(self.symbols - described, set())


class ApiPage(unittest.TestCase):
    """docs/api.md names what is public in C, accessors as properties, `_sync` beside `_async`."""

    def setUp(self):
        page = (Path(__file__).parents[2] / "docs/api.md").read_text()
        section = page[page.index("\n## C\n") : page.index("\n## Python, in a host")]
        self.words = set(re.findall(r"[A-Za-z_][\w-]*", section))
        self.gir = list(ET.parse(os.environ["PYISOLATE_TEST_GIR"]).iter())
        self.symbols = exported_symbols(os.environ["PYISOLATE_TEST_LIBRARY"])

    def names_of(self, symbol, prefixes):
        short = symbol[max(len(prefix) for prefix in prefixes if symbol.startswith(prefix)) :]
        yield from (symbol, short)
        yield re.sub("^[gs]et_", "", short)
        yield re.sub("^[gs]et_", "", short).replace("_", "-")
        yield from (re.sub("_(finish|sync)$", "_async", name) for name in (symbol, short))

    def test_functions(self):
        types = {element.get(GET_TYPE) for element in self.gir}
        classes = {element.get(SYMBOL_PREFIX) for element in self.gir if element.get(GET_TYPE)}
        prefixes = ["pyisolate_", *(f"pyisolate_{prefix}_" for prefix in classes if prefix)]
        missing = {
            symbol
            for symbol in self.symbols - types
            if self.words.isdisjoint(self.names_of(symbol, prefixes))
        }
        self.assertEqual(missing, set())

    def test_properties_and_signals(self):
        names = {
            (kind.get("name"), child.get("name"))
            for kind in self.gir
            if kind.tag == f"{CORE}class"
            for child in kind
            if child.tag == f"{CORE}property" or child.tag.endswith("}signal")
        }
        getters = {word.partition("get_")[2] for word in self.words}
        known = self.words | {name.replace("_", "-") for name in getters}
        self.assertEqual({(kind, name) for kind, name in names if name not in known}, set())

    def test_nothing_else(self):
        named = {word for word in self.words if word.startswith("pyisolate_")}
        known = self.symbols | {symbol.removesuffix("_async") for symbol in self.symbols}
        self.assertEqual(named - known, set())
        constants = {word for word in self.words if word.startswith("PYISOLATE_")}
        # The domain is no identifier of its own: it stands for the quark function.
        described = {"PYISOLATE_ERROR"}
        for element in self.gir:
            described |= {element.get(C_IDENTIFIER), element.get(C_TYPE)}
        self.assertEqual(constants - described, set())
