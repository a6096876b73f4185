"""What a Streamlit app can ask of Headrace: the step's inputs, and to send values back as the step's output."""

import copy as _copy
import json as _json
import os as _os
import socket as _socket

_FOLDER = _os.path.dirname(_os.path.dirname(_os.path.abspath(__file__)))
_TIMEOUT_SECONDS = 30
# The kernel's limit of 108 bytes, less the socket's own name.
_LONGEST_FOLDER = 90


class SubmitError(ValueError):
    """The values were not taken. `errors` has each fault with its JSON Pointer."""

    def __init__(self, message, errors=()):
        super().__init__(message)
        self.errors = list(errors)


class _Inputs(dict):
    """A mapping, as scripts have it; called, it gives a copy that the app may change."""

    def __call__(self):
        return _copy.deepcopy(dict(self))


def _read_inputs():
    with open(_os.path.join(_FOLDER, "inputs.json"), encoding="utf-8") as file:
        return _Inputs(_json.load(file))


def _connect():
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT_SECONDS)
    if len(_FOLDER) <= _LONGEST_FOLDER:
        connection.connect(_os.path.join(_FOLDER, "headrace.sock"))
        return connection
    folder = _os.open(_FOLDER, _os.O_RDONLY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/headrace.sock")
    finally:
        _os.close(folder)
    return connection


def submit(values):
    """Sends the values back as the step's output. Raises SubmitError when they are not taken; they are taken once."""
    line = _json.dumps({"values": values}, allow_nan=False) + "\n"
    with _connect() as connection:
        connection.sendall(line.encode())
        with connection.makefile("r", encoding="utf-8") as answers:
            answer = _json.loads(answers.readline() or "null")
    if not answer:
        raise SubmitError("Headrace did not answer")
    if not answer.get("ok"):
        raise SubmitError(answer.get("error", "The values were not taken"), answer.get("errors", ()))


inputs = _read_inputs()
artifacts_dir = _os.path.join(_FOLDER, "artifacts")
