"""The part of Headrace inside the kernel: it sets the environment before the first cell, and finds the result after
the last. It lives in a module of its own, so that no name of a notebook can be in its way."""

import json
import os
import re

MAX_DEPTH = 200
BIG_INTEGER = re.compile(r"(?<![\d.])\d{16,}(?![\d.eE])")
_shell = get_ipython()  # noqa: F821 (IPython has put it among the builtins)
_folder = None


def place(folder):
    global _folder
    _folder = folder


def begin(env):
    os.environ.update(env)
    _install_module()


def _install_module():
    """The importable `headrace` module: what a cell can ask of Headrace."""
    import sys
    from types import ModuleType

    folder = os.path.abspath(_folder)

    def connection(name):
        """An external database that the version names in externalDbConfigs: query(), execute(), and a dsn for drivers."""
        path = os.path.join(folder, "connections.py")
        if not os.path.exists(path):
            raise LookupError(f"This version names no external database '{name}' in its externalDbConfigs")
        client = ModuleType("headrace_connections")
        client.__file__ = path
        with open(path, encoding="utf-8") as file:
            exec(compile(file.read(), path, "exec"), client.__dict__)
        return client.connection(name)

    module = ModuleType("headrace", "What a notebook can ask of Headrace.")
    module.connection = connection
    module.artifacts_dir = os.path.join(os.path.dirname(folder), "artifacts")
    sys.modules["headrace"] = module


class _Unfit(Exception):
    """Why a value is no JSON, and where in it."""


def _plain(value):
    """Numbers and arrays of NumPy, which notebooks are full of, as Python's own."""
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(type(value).__name__)


def _pointer(path):
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _find_fault(value, path, seen):
    """json.dumps tells what is wrong, but not where."""
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int):
        if abs(value) > 2**53 and (abs(value) > 10**308 or int(float(value)) != value):
            raise _Unfit(_pointer(path), "is an integer too large for JSON readers; give it as a string")
        return
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise _Unfit(_pointer(path), f"is {value}, which JSON does not have")
        return
    if not isinstance(value, (dict, list, tuple)):
        raise _Unfit(_pointer(path), f"is a {type(value).__name__}, which JSON does not have")
    if id(value) in seen:
        raise _Unfit(_pointer(path), "contains itself")
    if len(path) >= MAX_DEPTH:
        raise _Unfit("", f"is nested deeper than {MAX_DEPTH} levels")
    seen.add(id(value))
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        if not isinstance(key, (str, int, float, bool)) and key is not None:
            raise _Unfit(_pointer(path), f"has a key that is a {type(key).__name__}, not a string")
        _find_fault(member, (*path, key), seen)
    seen.discard(id(value))


def _encode(value):
    try:
        text = json.dumps(value, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        _find_fault(value, (), set())
        raise _Unfit("", f"cannot be written as JSON: {error}") from None
    if BIG_INTEGER.search(text):
        _find_fault(value, (), set())
    return text


def _last_value():
    """The value that the shell displayed last; IPython keeps them by the number of their cell."""
    values = _shell.history_manager.output_hist
    return values[max(values)] if values else None


def _result():
    if "outputs" in _shell.user_ns:
        return _encode(_shell.user_ns["outputs"])
    value = _last_value()
    try:
        return _encode(value)
    except _Unfit:
        return json.dumps(_shell.display_formatter.format(value, include={"text/plain"})[0].get("text/plain"))


def finish(limit):
    """Writes the result for the helper to read."""
    try:
        text = _result()
        size = len(text)
        # escapes are longer than what they stand for; measured as it will be sent
        if size > limit:
            size = len(json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
        if size > limit:
            raise _Unfit("", f"has {size} bytes, more than the limit of {limit}")
        answer = '{"value":' + text + "}"
    except _Unfit as unfit:
        path, why = unfit.args
        answer = json.dumps({"path": path, "why": f"The result{' at ' + path if path else ''} {why}"})
    with open(os.path.join(_folder, "result.json"), "w", encoding="utf-8") as file:
        file.write(answer)
