"""Runs a Python script for Headrace: calls main(**inputs) if the script defines it, and reports over descriptor 3.

The job comes on stdin, to its end: {"env", "files", "maxOutputBytes"}. Messages are JSON, one a line:
{"type": "mode"|"progress"|"result"|"error", ...}. User output stays on stdout and stderr, so the two can never be
confused. Imports are few on purpose: each costs a step milliseconds. zygote.py loads this file ahead and calls run().
"""

import json
import os
import re
import sys
from _thread import allocate_lock

SCRIPT = "script.py"
MAX_DEPTH = 200
MAX_TRACEBACK = 16_384
# Digits enough to be more than a double holds exactly; after a point they are a fraction, which is rounded anyway.
BIG_INTEGER = re.compile(r"(?<![\d.])\d{16,}(?![\d.eE])")

_channel = -1
_pid = 0
_lock = allocate_lock()


def _open_channel():
    """Children of the script must neither hold the channel open nor write to it: duplicates are not inherited."""
    global _channel, _pid
    _channel = os.dup(3)
    os.close(3)
    _pid = os.getpid()


def _take_job():
    """Waits for the job, and makes of this process what the job says. @returns the largest output in bytes."""
    chunks = []
    while chunk := os.read(0, 1 << 16):
        chunks.append(chunk)
    if not chunks:
        os._exit(0)  # dismissed without a job
    job = json.loads(b"".join(chunks))
    # Over descriptor 0 the worker could still be reached when it shares a socket with the channel.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.environ.update(job["env"])
    if "TZ" in job["env"]:
        import time

        time.tzset()
    for name, text in job["files"].items():
        with open(name, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
    return job["maxOutputBytes"]


def _write(data):
    # A process that the script forked shares the channel, but has nothing to say for the step.
    if os.getpid() != _pid:
        return
    with _lock:
        view = memoryview(data)
        while view:
            view = view[os.write(_channel, view):]


def _send(message):
    _write((json.dumps(message) + "\n").encode())


def _read_inputs():
    path = os.environ.get("MCP_INPUTS_FILE")
    if path is None:
        return json.loads(os.environ["MCP_INPUTS"])
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _install_module(inputs):
    """The importable `headrace` module: inputs, artifacts_dir, progress(), connection()."""
    from types import ModuleType

    _folder = os.getcwd()

    def progress(value, message=None):
        """Reports progress: a number, and a text for people."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) > 1e300:
            raise TypeError("progress() takes a finite number")
        report = {"type": "progress", "value": value}
        if message is not None:
            report["message"] = str(message)
        _send(report)

    def connection(name):
        """An external database that the version names in externalDbConfigs: query(), execute(), and a dsn for drivers."""
        path = os.path.join(_folder, ".headrace", "connections.py")
        if not os.path.exists(path):
            raise LookupError(f"This version names no external database '{name}' in its externalDbConfigs")
        client = ModuleType("headrace_connections")
        client.__file__ = path
        with open(path, encoding="utf-8") as file:
            exec(compile(file.read(), path, "exec"), client.__dict__)
        return client.connection(name)

    module = ModuleType("headrace", "What a script can ask of Headrace.")
    module.progress = progress
    module.connection = connection
    module.inputs = inputs
    module.artifacts_dir = os.path.join(os.getcwd(), "artifacts")
    sys.modules["headrace"] = module


class _InvalidOutput(Exception):
    """The output is no JSON value; the path says where."""


def _pointer(path):
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _check(value, path, seen):
    """Finds why a value cannot be written as JSON; json.dumps tells what is wrong but not where."""
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int):
        if abs(value) > 2**53 and (abs(value) > 10**308 or int(float(value)) != value):
            raise _InvalidOutput(_pointer(path), "is an integer too large for JSON readers; return it as a string")
        return
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise _InvalidOutput(_pointer(path), f"is {value}, which JSON does not have")
        return
    if not isinstance(value, (dict, list, tuple)):
        raise _InvalidOutput(_pointer(path), f"is a {type(value).__name__}, which JSON does not have")
    if id(value) in seen:
        raise _InvalidOutput(_pointer(path), "contains itself")
    if len(path) >= MAX_DEPTH:
        raise _InvalidOutput("", f"is nested deeper than {MAX_DEPTH} levels")
    seen.add(id(value))
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, (str, int, float, bool)) and key is not None:
                raise _InvalidOutput(_pointer(path), f"has a key that is a {type(key).__name__}, not a string")
            _check(member, (*path, key), seen)
    else:
        for index, member in enumerate(value):
            _check(member, (*path, index), seen)
    seen.discard(id(value))


def _encode(value, limit):
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        _check(value, (), set())
        raise _InvalidOutput("", f"cannot be written as JSON: {error}") from None
    if BIG_INTEGER.search(text):
        _check(value, (), set())
    try:
        data = text.encode()
    except UnicodeEncodeError:
        # Lone surrogates have no UTF-8; as escapes they reach the worker, which names their place.
        data = json.dumps(value, separators=(",", ":")).encode()
    if len(data) > limit:
        raise _InvalidOutput("", f"has {len(data)} bytes, more than the limit of {limit}")
    return data


def _summarise(error):
    try:
        text = str(error)
    except Exception:  # an exception class of the script may be broken itself
        text = "<no message>"
    name = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename == SCRIPT:
        return f"{name}: {error.msg} ({SCRIPT}, line {error.lineno})"
    return f"{name}: {text}" if text else name


def _format_error(error):
    import linecache
    import traceback

    with open(SCRIPT, encoding="utf-8") as file:
        source = file.read()
    linecache.cache[SCRIPT] = (len(source), None, source.splitlines(True), SCRIPT)
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != SCRIPT:
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames))
    return text[-MAX_TRACEBACK:]


def _fail(code, message, **more):
    _send({"type": "error", "code": code, "message": message, **more})
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the script must not keep a failed step alive.
    os._exit(1)


def _check_arguments(main, inputs):
    """Compares the inputs with main's signature: a TypeError from inside main must not look like a bad input."""
    from types import FunctionType

    if type(main) is FunctionType:
        code = main.__code__
        named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        positional = code.co_varnames[: code.co_posonlyargcount]
        defaulted = set(named[code.co_argcount - len(main.__defaults__ or ()): code.co_argcount])
        defaulted.update(main.__kwdefaults__ or ())
        if not positional:
            missing = [name for name in named if name not in inputs and name not in defaulted]
            takes_any = bool(code.co_flags & 0x08)
            unknown = [] if takes_any else [name for name in inputs if name not in named]
            return [f"main() lacks the input '{name}'" for name in missing] + [
                f"main() takes no input '{name}'" for name in unknown
            ]
    import inspect

    try:
        inspect.signature(main).bind(**inputs)
    except TypeError as error:
        return [f"main(): {error}"]
    except ValueError:
        pass  # a callable without a signature says itself what it lacks
    return []


def _call(main, inputs):
    result = main(**inputs)
    if hasattr(result, "__await__"):
        import asyncio

        async def settle():
            return await result

        result = asyncio.run(settle())
    return result


def _run(limit):
    inputs = _read_inputs()
    _install_module(inputs)
    with open(SCRIPT, encoding="utf-8") as file:
        code = compile(file.read(), SCRIPT, "exec", dont_inherit=True)
    from types import ModuleType

    # A script without main is a program of its own; with main, its `if __name__ == "__main__"` must stay asleep.
    has_main = "main" in code.co_names
    module = ModuleType("script" if has_main else "__main__")
    module.__file__ = SCRIPT
    sys.modules[module.__name__] = module
    sys.argv = [SCRIPT]
    exec(code, module.__dict__)
    main = module.__dict__.get("main")
    if not callable(main):
        _send({"type": "mode", "main": False})
        return
    _send({"type": "mode", "main": True})
    faults = _check_arguments(main, inputs)
    if faults:
        _fail("invalid_input", "; ".join(faults))
    data = _encode(_call(main, inputs), limit)
    _write(b'{"type":"result","output":' + data + b"}\n")


def _exit_code(error):
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def run():
    """Takes one job and runs it. Ends by returning, by SystemExit, or by ending the process."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    _open_channel()
    limit = _take_job()
    try:
        _run(limit)
    except SystemExit as error:
        code = _exit_code(error)
        _send({"type": "exit", "exitCode": code})
        sys.exit(code)
    except _InvalidOutput as error:
        path, why = error.args
        _fail("invalid_output", f"the output{' at ' + path if path else ''} {why}", path=path)
    except MemoryError:
        _fail("out_of_memory", "Python could not allocate memory")
    except BaseException as error:  # everything that a script can raise is an answer, not a crash
        if os.getpid() != _pid:
            raise
        is_broken = isinstance(error, SyntaxError) and error.filename == SCRIPT
        _fail("script_error", _summarise(error), traceback=_format_error(error), retryable=not is_broken)


if __name__ == "__main__":
    run()
