# SPDX-License-Identifier: MIT
"""The application's part inside of a node pack's process: it lists the pack's nodes, and runs them.

The pack itself need not know that it is isolated. Inputs and outputs pass as they are, so a node
with an IMAGE, a NumPy array or a tensor, needs nothing more here.
"""

import importlib
import inspect
import os

import pyisolate


class NodeWorker(pyisolate.ExtensionBase):
    def on_module_loaded(self, module):
        # A pack that cannot be imported is an error of loading it.
        self.pack = importlib.import_module(os.environ["HELLO_NODE_PACK"])

    def list_nodes(self):
        """What a user interface has to know of each node."""
        titles = getattr(self.pack, "NODE_DISPLAY_NAME_MAPPINGS", {})
        return {
            name: {
                "display_name": titles.get(name, name),
                "description": inspect.getdoc(node) or "",
                "category": getattr(node, "CATEGORY", ""),
                "input_types": node.INPUT_TYPES(),
                "return_types": tuple(node.RETURN_TYPES),
            }
            for name, node in self.pack.NODE_CLASS_MAPPINGS.items()
        }

    async def run_node(self, name, inputs):
        """A tuple, with one value for each of the node's RETURN_TYPES."""
        node = self.pack.NODE_CLASS_MAPPINGS[name]()
        outputs = getattr(node, node.FUNCTION)(**inputs)
        return await outputs if inspect.isawaitable(outputs) else outputs
