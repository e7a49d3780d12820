# SPDX-License-Identifier: MIT
"""Exceptions as what can travel. A host has this file too.

Imported when the first one is needed.
"""

import traceback

from ._native import OURS, encoded_size
from ._remote import grouped, note_of

MAX_TRACEBACK = 256 * 1024
MAX_TEXT = 64 * 1024
MAX_NAME = 256
MAX_ARGS = 64
# Causes, contexts and groups: each is some levels deep in the value, of which there are 64 at most.
MAX_CHAIN = 8
MAX_GROUP = 64
# In bytes: past it no other one is told of. For one that is as large as it can be a message has
# room even then. And a host makes no more of them than these.
MAX_SIZE = 8 * 1024 * 1024
MAX_EXCEPTIONS = 10000


def summary(error):
    """One line that says what happened, for whoever shows no more than that."""
    text = _text_of(error)
    return f"{_type_name(error)}: {text}" if text else _type_name(error)


def describe(error):
    """The exception as a dict of plain values."""
    described = _describe(error, MAX_CHAIN, _Told())
    _size_of({"exception": described}, described)
    return described


def _size_of(value, described):
    try:
        return encoded_size(value)
    except Exception:  # what is nested as deep as it may be is too deep here
        _make_args_plain(described)
        return encoded_size(value)


class _Told:
    """Which exceptions are described, and how many bytes they take."""

    def __init__(self):
        self.ids = set()
        self.size = 0

    def has(self, error):
        return id(error) in self.ids

    def is_full(self):
        return self.size > MAX_SIZE or len(self.ids) >= MAX_EXCEPTIONS


def _describe(error, depth, told):
    told.ids.add(id(error))
    described = {
        "type": _type_name(error),
        "message": _text_of(error),
        "traceback": format_traceback(error),
        "args": _args_of(error),
        "attributes": _attributes_of(error),
        "notes": _notes_of(error),
    }
    told.size += _size_of(described, described)
    members = grouped(error)
    if members and depth > 1:
        new = [one for one in members[:MAX_GROUP] if not told.has(one)]
        described["exceptions"] = [
            _describe(one, depth - 1, told) for one in new if not told.is_full()
        ]
        left_out = len(members[MAX_GROUP:]) + len(new) - len(described["exceptions"])
        if left_out:
            described["notes"].append(f"[… {left_out} exceptions left out …]")
    cause = error.__cause__
    context = None if error.__suppress_context__ else error.__context__
    for name, other in (("cause", cause), ("context", context)):
        if other is not None and depth > 1 and not told.has(other) and not told.is_full():
            described[name] = _describe(other, depth - 1, told)
    return described


def _type_name(error):
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    return _plain(name, MAX_TEXT)


def _text_of(error):
    try:
        return _plain(str(error), MAX_TEXT)
    except BaseException as problem:
        return f"<str() of this exception raised {type(problem).__name__}>"


def _repr_of(value):
    try:
        return _plain(repr(value), MAX_TEXT)
    except BaseException as problem:
        return f"<repr() of this {type(value).__name__} raised {type(problem).__name__}>"


def _args_of(error):
    try:
        args = list(_made_of(error)[:MAX_ARGS])
    except BaseException:
        return []
    return [arg if _can_travel(arg) else _repr_of(arg) for arg in args]


def _made_of(error):
    """Its args; of an OSError the names of its files too, which it takes out of them."""
    if isinstance(error, OSError) and type(error).__module__ == "builtins":
        return error.__reduce__()[1]
    return error.args


# What built-in classes keep where vars() does not find it, and their args do not say.
_KEPT = ((ImportError, ("name", "path")), (NameError, ("name",)), (AttributeError, ("name",)))

# Attributes that this library sets, and says anew.
_SAID = ("domain", "message", "remote_traceback", "exceptions")


def _attributes_of(error):
    found = {}
    for kind, names in _KEPT:
        if isinstance(error, kind):
            found.update((name, getattr(error, name, None)) for name in names)
    try:
        found.update(vars(error))
        names = [name for name in found if _is_public(name) and found[name] is not None]
    except BaseException:
        return {}
    return {
        name: found[name] if _can_travel(found[name]) else _repr_of(found[name])
        for name in names[:MAX_ARGS]
    }


def _is_public(name):
    return (
        type(name) is str
        and name.isidentifier()
        and not name.startswith("_")
        and len(name) <= MAX_NAME
        and name not in _SAID
    )


def _can_travel(value):
    try:
        return encoded_size(value) <= MAX_TEXT
    except BaseException:
        return False


def _notes_of(error):
    """But for the traceback of yet another process, which this one's traceback has.

    What is told twice each time that an exception goes on is told 2ⁿ times in the end.
    """
    notes = getattr(error, "__notes__", None)
    if not isinstance(notes, (list, tuple)):
        return []
    told = _remote_note_of(error)
    return [
        _plain(note if isinstance(note, str) else _repr_of(note), MAX_TEXT)
        for note in notes[:MAX_ARGS]
        if told is None or note != told
    ]


def _remote_note_of(error):
    traceback = getattr(error, "remote_traceback", None)
    return note_of(traceback) if isinstance(traceback, str) and traceback else None


def _make_args_plain(described):
    described["args"] = [_repr_of(arg) for arg in described["args"]]
    described["attributes"] = {
        name: _repr_of(value) for name, value in described["attributes"].items()
    }
    others = [described[name] for name in ("cause", "context") if name in described]
    for other in [*others, *described.get("exceptions", ())]:
        _make_args_plain(other)


def format_traceback(error):
    """As Python prints it, without the frames of this runtime."""
    try:
        printed = traceback.TracebackException(type(error), error, error.__traceback__)
        _strip(printed)
        if not hasattr(error, "add_note"):
            _add_notes(printed, error)
        return _plain("".join(printed.format()), MAX_TRACEBACK)
    except BaseException:
        return f"{_type_name(error)}: {_text_of(error)}\n"


def _strip(printed):
    todo = [printed]
    seen = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if one.stack is not None:
            one.stack[:] = [frame for frame in one.stack if not _is_ours(frame.filename)]
        todo += [one.__cause__, one.__context__, *(getattr(one, "exceptions", None) or ())]


def _add_notes(printed, error):
    """Before 3.11 Python does not print them."""
    seen = set()
    todo = [(printed, error)]
    while todo:
        one, raised = todo.pop()
        if one is None or raised is None or id(one) in seen:
            continue
        seen.add(id(one))
        notes = getattr(raised, "__notes__", None)
        if isinstance(notes, (list, tuple)):
            one._str = "\n".join([one._str, *(note for note in notes if isinstance(note, str))])
        todo += [(one.__cause__, raised.__cause__), (one.__context__, raised.__context__)]


def _is_ours(filename):
    return filename.startswith((OURS, "<frozen importlib"))


def _plain(text, limit):
    """What every host can show: no lone surrogates, no NUL, not endless."""
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
