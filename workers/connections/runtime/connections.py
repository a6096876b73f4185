"""External databases, asked by way of the worker: no driver and no password is needed here. The worker holds each
statement to the limits and, unless writing is asked for, to reading."""

import json as _json
import os as _os
import socket as _socket
import sys as _sys
from types import ModuleType as _ModuleType

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


def _pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(_socket.SHUT_WR)
    except OSError:
        for each in (source, target):
            try:
                each.shutdown(_socket.SHUT_RDWR)
            except OSError:
                pass


def _join(client, path):
    import threading

    with client, _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM) as server:
        try:
            server.connect(path)
        except OSError:
            return
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        back.start()
        _pump(client, server)
        back.join()


# This file is run anew for each connection(): what must be there once is kept beside it.
_ports = vars(_sys.modules.setdefault("_headrace_ports", _ModuleType("_headrace_ports")))


def _forward(folder):
    """A port of this step's own loopback that leads to a session's socket; it is there as long as this process."""
    import threading

    if folder in _ports:
        return _ports[folder]
    path = _os.path.join(_short(folder), ".s.PGSQL.5432")
    listener = _socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_join, args=(client, path), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    _ports[folder] = listener.getsockname()[1]
    return _ports[folder]


class Connection:
    """One external database."""

    def __init__(self, name, about):
        self.name = name
        self.db_type = about["dbType"]
        self.database = about.get("session", {}).get("database")
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

    @property
    def address(self):
        """("127.0.0.1", port) for drivers that take no socket: a port of this step's own loopback, which no other program
        can reach. They sign in as "reader" or "writer", without a password. Raises DatabaseError where there is none."""
        if self._session is None or not self._session.get("loopback"):
            raise DatabaseError(f"{self.db_type} has no port here: use dsn, or query() and execute()", "statement")
        return ("127.0.0.1", _forward(_os.path.join(_FOLDER, self._session["folder"])))

    def __repr__(self):
        return f"<headrace connection {self.name} ({self.db_type})>"


def connection(name):
    """An external database by its name. Raises LookupError when the version does not name it."""
    with open(_os.path.join(_FOLDER, "connections.json"), encoding="utf-8") as file:
        known = _json.load(file)
    if name not in known:
        raise LookupError(f"This version names no external database '{name}' in its externalDbConfigs")
    return Connection(name, known[name])
