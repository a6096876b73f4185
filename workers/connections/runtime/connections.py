"""External databases, asked by way of the worker: no driver and no password is needed here. The worker holds each
statement to the limits and, unless writing is asked for, to reading."""

import json as _json
import os as _os
import socket as _socket

_FOLDER = _os.path.dirname(_os.path.abspath(__file__))
# The kernel's limit of 108 bytes, less a socket's own name.
_LONGEST_FOLDER = 80


class DatabaseError(RuntimeError):
    """The database did not do what it was asked. `fault`: connection, statement, params or timeout."""

    def __init__(self, message, fault="connection"):
        super().__init__(message)
        self.fault = fault


class Rows(list):
    """Rows as dictionaries. `columns` has names and types; `truncated` says that there were more than max_rows."""

    def __init__(self, result):
        super().__init__(result["rows"])
        self.columns = result["columns"]
        self.row_count = result["rowCount"]
        self.truncated = result["truncated"]


def _short(folder):
    """The same folder by a path that fits into a socket's address."""
    if len(folder.encode()) <= _LONGEST_FOLDER:
        return folder
    import tempfile

    link = _os.path.join(tempfile.mkdtemp(prefix="hr"), "c")
    _os.symlink(folder, link)
    return link


def _ask(request):
    data = (_json.dumps(request) + "\n").encode()
    with _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM) as connection:
        folder = _os.open(_FOLDER, _os.O_RDONLY)
        try:
            connection.connect(f"/proc/self/fd/{folder}/connections.sock")
        finally:
            _os.close(folder)
        connection.sendall(data)
        with connection.makefile("rb") as answers:
            line = answers.readline()
    if not line:
        raise DatabaseError("Headrace did not answer")
    answer = _json.loads(line)
    if "error" in answer:
        raise DatabaseError(answer["error"], answer.get("fault", "connection"))
    return answer["value"]


class Connection:
    """One external database."""

    def __init__(self, name, about):
        self.name = name
        self.db_type = about["dbType"]
        self._session = about.get("session")

    def query(self, sql, params=(), *, max_rows=1000, timeout=30, read_only=True):
        """Runs one statement, which may only read unless read_only=False. Returns Rows, a list of dictionaries."""
        request = {"connection": self.name, "sql": sql, "params": list(params), "maxRows": max_rows}
        return Rows(_ask({**request, "timeoutSeconds": timeout, "readOnly": read_only}))

    def execute(self, sql, params=(), *, timeout=30):
        """Runs one statement that may write. Returns how many rows it changed."""
        return self.query(sql, params, timeout=timeout, read_only=False).row_count

    def dsn_for(self, *, read_only=True):
        """What a driver connects with, psycopg for one: a socket of this step's. It holds no password."""
        if self._session is None:
            raise DatabaseError(f"{self.db_type} has no dsn here: use query() and execute()", "statement")
        from urllib.parse import quote

        folder = _short(_os.path.join(_FOLDER, self._session["folder"]))
        user = "reader" if read_only else "writer"
        return f"postgresql://{user}@/{quote(self._session['database'], safe='')}?host={quote(folder, safe='')}"

    @property
    def dsn(self):
        """dsn_for(), of a session that begins read-only."""
        return self.dsn_for()

    def __repr__(self):
        return f"<headrace connection {self.name} ({self.db_type})>"


def connection(name):
    """An external database by its name. Raises LookupError when the version does not name it."""
    with open(_os.path.join(_FOLDER, "connections.json"), encoding="utf-8") as file:
        known = _json.load(file)
    if name not in known:
        raise LookupError(f"This version names no external database '{name}' in its externalDbConfigs")
    return Connection(name, known[name])
