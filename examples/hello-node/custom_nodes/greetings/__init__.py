# SPDX-License-Identifier: MIT
"""A node pack as its author writes it: classes, and two tables of them."""

import os

import jinja2
from models import ModelManager


class Greeting:
    """Greets by a model of the application's, filled in by a package that it does not have."""

    CATEGORY = "text/greetings"
    RETURN_TYPES = ("STRING",)
    FUNCTION = "greet"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "name": ("STRING", {"default": "world"}),
                "model": (ModelManager().sync.names(),),
            },
            "optional": {"excitement": ("INT", {"default": 1, "min": 0, "max": 5})},
        }

    async def greet(self, name, model, excitement=1):
        template = await ModelManager().load(model)
        return (jinja2.Template(template).render(name=name, excitement=excitement),)


class Signature:
    """Says which process and which packages it was."""

    CATEGORY = "text"
    RETURN_TYPES = ("STRING",)
    FUNCTION = "sign"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {})}}

    def sign(self, text):
        return (f"{text} (jinja2 {jinja2.__version__}, process {os.getpid()})",)


NODE_CLASS_MAPPINGS = {"Greeting": Greeting, "Signature": Signature}
NODE_DISPLAY_NAME_MAPPINGS = {"Greeting": "Greet somebody"}
