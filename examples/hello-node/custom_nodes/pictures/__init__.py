# SPDX-License-Identifier: MIT
"""Nodes for pictures: arrays of height, width and three colours, a byte each."""

import numpy as np


class Edges:
    """Draws the outlines of a picture: where it is brighter or darker than beside."""

    CATEGORY = "image"
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "find"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "image": ("IMAGE", {}),
                "strength": ("FLOAT", {"default": 4.0, "min": 0.0, "max": 10.0}),
            }
        }

    def find(self, image, strength):
        grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        down, across = np.gradient(grey)
        ink = np.clip(np.hypot(down, across) * strength, 0, 255)
        paper = np.array([250, 244, 230], np.float32)
        return ((paper * (1 - ink[..., np.newaxis] / 255)).astype(np.uint8),)


NODE_CLASS_MAPPINGS = {"Edges": Edges}
