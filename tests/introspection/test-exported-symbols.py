# SPDX-License-Identifier: MIT
"""What the library exports: everything that the GIR describes, and nothing outside the prefix."""

import os
import re
import subprocess
import unittest
import xml.etree.ElementTree as ET

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
