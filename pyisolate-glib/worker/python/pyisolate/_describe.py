# SPDX-License-Identifier: MIT
"""Methods as the host shows them.

Without the inspect module, which costs more than all the rest of a start.
"""

import sys

COROUTINE = 0x80
GENERATOR = 0x20
ASYNC_GENERATOR = 0x200
VARARGS = 0x04
VARKEYWORDS = 0x08

POSITIONAL_ONLY = "POSITIONAL_ONLY"
POSITIONAL_OR_KEYWORD = "POSITIONAL_OR_KEYWORD"
VAR_POSITIONAL = "VAR_POSITIONAL"
KEYWORD_ONLY = "KEYWORD_ONLY"
VAR_KEYWORD = "VAR_KEYWORD"

MAX_TEXT = 16 * 1024

Function = type(lambda: None)
BoundMethod = type(Function.__get__(lambda self: None, object()))
GenericAlias = type(list[int])
Module = type(sys)


def kind_of(function):
    """A Method's kind; decorators that name what they wrap are looked through."""
    flags = 0
    for _ in range(100):
        code = getattr(function, "__code__", None)
        flags |= getattr(code, "co_flags", 0)
        following = getattr(function, "__wrapped__", None)
        if following is None and type(function).__name__ == "partial":
            following = function.func
        if following is None:
            break
        function = following
    if flags & (GENERATOR | ASYNC_GENERATOR):
        return "generator"
    return "coroutine" if flags & COROUTINE else "def"


def describe(method):
    """The dict of a Method."""
    signature, parameters, returns = _signature_of(method.function)
    return {
        "name": method.name,
        "doc": _plain(_clean_doc(getattr(method.function, "__doc__", None))),
        "signature": _plain(signature),
        "parameters": parameters,
        "returns": returns,
        "async": method.kind == "coroutine",
        "runs_on": method.runs_on,
    }


def _signature_of(function):
    bound = type(function) is BoundMethod
    plain = _unwrap(function.__func__ if bound else function)
    names = getattr(plain, "__globals__", {})
    if type(plain) is not Function or hasattr(plain, "__signature__"):
        return _inspected_signature(function, names)
    parameters = _parameters_of(plain)
    if bound and parameters and parameters[0]["kind"] in (POSITIONAL_ONLY, POSITIONAL_OR_KEYWORD):
        del parameters[0]
    annotations = _annotations_of(plain)
    returns = annotations.get("return", _NONE)
    text = _signature_text(parameters, returns)
    described = [_parameter_dict(parameter, names) for parameter in parameters]
    return text, described, _annotation_name(returns, names)


def _unwrap(function):
    for _ in range(100):
        following = getattr(function, "__wrapped__", None)
        if following is None or hasattr(function, "__signature__"):
            break
        function = following
    return function


_NONE = object()


def _annotations_of(function):
    """From 3.14 on they are evaluated now, and may name what only a type checker imports."""
    try:
        return function.__annotations__
    except Exception:
        import annotationlib

        return annotationlib.get_annotations(function, format=annotationlib.Format.STRING)


def _parameters_of(function):
    code = function.__code__
    names = code.co_varnames
    n_positional = code.co_argcount
    n_named = n_positional + code.co_kwonlyargcount
    defaults = function.__defaults__ or ()
    first_default = n_positional - len(defaults)
    annotations = _annotations_of(function)

    def parameter(name, kind, default=_NONE):
        annotation = annotations.get(name, _NONE)
        return {"name": name, "kind": kind, "annotation": annotation, "default": default}

    parameters = []
    for index, name in enumerate(names[:n_positional]):
        kind = POSITIONAL_ONLY if index < code.co_posonlyargcount else POSITIONAL_OR_KEYWORD
        default = defaults[index - first_default] if index >= first_default else _NONE
        parameters.append(parameter(name, kind, default))
    if code.co_flags & VARARGS:
        parameters.append(parameter(names[n_named], VAR_POSITIONAL))
        n_named += 1
    keyword_defaults = function.__kwdefaults__ or {}
    for name in names[n_positional : n_positional + code.co_kwonlyargcount]:
        parameters.append(parameter(name, KEYWORD_ONLY, keyword_defaults.get(name, _NONE)))
    if code.co_flags & VARKEYWORDS:
        parameters.append(parameter(names[n_named], VAR_KEYWORD))
    return parameters


def _signature_text(parameters, returns):
    words = []
    slash_due = False
    star_due = True
    for parameter in parameters:
        kind = parameter["kind"]
        if kind == POSITIONAL_ONLY:
            slash_due = True
        elif slash_due:
            words.append("/")
            slash_due = False
        if kind == VAR_POSITIONAL:
            star_due = False
        elif kind == KEYWORD_ONLY and star_due:
            words.append("*")
            star_due = False
        words.append(_parameter_text(parameter))
    if slash_due:
        words.append("/")
    text = f"({', '.join(words)})"
    return text if returns is _NONE else f"{text} -> {_annotation_text(returns)}"


def _parameter_text(parameter):
    stars = {VAR_POSITIONAL: "*", VAR_KEYWORD: "**"}.get(parameter["kind"], "")
    text = stars + parameter["name"]
    equals = "="
    if parameter["annotation"] is not _NONE:
        text += f": {_annotation_text(parameter['annotation'])}"
        equals = " = "
    if parameter["default"] is not _NONE:
        text += equals + _repr(parameter["default"])
    return text


def _parameter_dict(parameter, names):
    described = {
        "name": parameter["name"],
        "kind": parameter["kind"],
        "annotation": _annotation_name(parameter["annotation"], names),
    }
    if parameter["default"] is not _NONE:
        described["default"] = _plain(_repr(parameter["default"]))
    return described


def _annotation_text(annotation):
    """As a signature shows it."""
    if getattr(annotation, "__module__", None) == "typing":
        return _repr(annotation).replace("typing.", "")
    if type(annotation) is GenericAlias:
        return _repr(annotation)
    if isinstance(annotation, type):
        if annotation.__module__ == "builtins":
            return annotation.__qualname__
        return f"{annotation.__module__}.{annotation.__qualname__}"
    return _repr(annotation)


def _annotation_name(annotation, names):
    """As its writer wrote it: a string is without its quotes."""
    if annotation is _NONE:
        return ""
    if isinstance(annotation, str):
        return _plain(_with_modules(annotation, names))
    return _plain(_annotation_text(annotation))


def _with_modules(text, names):
    """`np.ndarray` with the name by which others import that module, as if it were evaluated."""
    if "." not in text:
        return text
    import re

    def named(match):
        module = names.get(match[1])
        name = getattr(module, "__name__", None) if type(module) is Module else None
        return name if isinstance(name, str) else match[0]

    return re.sub(r"""'[^']*'|"[^"]*"|(?<![\w.])([^\W\d]\w*)(?=\.)""", named, text)


def _inspected_signature(function, names):
    """Of what is not a plain function: a partial, a callable object, a builtin."""
    import inspect

    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return "(*args, **kwargs)", [], ""
    empty = inspect.Parameter.empty
    parameters = []
    for parameter in signature.parameters.values():
        described = {
            "name": parameter.name,
            "kind": parameter.kind.name,
            "annotation": _NONE if parameter.annotation is empty else parameter.annotation,
            "default": _NONE if parameter.default is empty else parameter.default,
        }
        parameters.append(_parameter_dict(described, names))
    returns = signature.return_annotation
    returns = _NONE if returns is empty else returns
    return str(signature), parameters, _annotation_name(returns, names)


def _repr(value):
    try:
        return repr(value)
    except Exception:
        return "..."


def _clean_doc(doc):
    """Without the indentation that the source has."""
    if not isinstance(doc, str):
        return ""
    first, *rest = doc.expandtabs().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return "\n".join([first.strip(), *(line[margin:].rstrip() for line in rest)]).strip()


def _plain(text):
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
