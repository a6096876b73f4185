"""What an app in the browser can ask of Headrace: the step's inputs, and to send values back as the step's output."""

import copy as _copy
import json as _json
import os as _os


class SubmitError(ValueError):
    """The values were not taken. `errors` has each fault with its JSON Pointer."""

    def __init__(self, message, errors=()):
        super().__init__(message)
        self.errors = list(errors)


class _Inputs(dict):
    """A mapping, as scripts have it; called, it gives a copy that the app may change."""

    def __call__(self):
        return _copy.deepcopy(dict(self))


with open(_os.path.join(_os.path.dirname(_os.path.abspath(__file__)), "headrace_link.json"), encoding="utf-8") as _file:
    _link = _json.load(_file)

inputs = _Inputs(_link["inputs"])


def submit(values):
    """Sends the values back as the step's output. Raises SubmitError when they are not taken; they are taken once."""
    from js import XMLHttpRequest

    request = XMLHttpRequest.new()
    request.open("POST", _link["submitUrl"], False)
    # Plain text: the page has no origin, and JSON would have to ask first.
    request.setRequestHeader("Content-Type", "text/plain;charset=utf-8")
    request.send(_json.dumps({"values": values}, allow_nan=False))
    try:
        answer = _json.loads(request.responseText)
    except ValueError:
        raise SubmitError(f"Headrace did not answer: {request.status}") from None
    if not answer.get("ok"):
        raise SubmitError(answer.get("error", "The values were not taken"), answer.get("errors", ()))
