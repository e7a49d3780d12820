# SPDX-License-Identifier: MIT
VALUE = "the dependency"
