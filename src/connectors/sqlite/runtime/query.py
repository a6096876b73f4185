"""Runs one request against a file of SQLite and ends: JSON in on stdin, JSON out on stdout.

Reading only is the file's own mode. ATTACH, extensions and changes of the schema table by hand are refused in
either mode, so a statement reaches no other file.
"""

import base64
import json
import math
import resource
import sqlite3
import sys
import time

MEMORY_BYTES = 1024 * 1024 * 1024
SAFE_INTEGER = 2**53 - 1
ATTACH, DETACH, PRAGMA, FUNCTION = 24, 25, 19, 31
# What a statement may ask of a database's make-up; the others change how the file is read or written.
PRAGMAS = {
    "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
    "database_list", "user_version", "application_id", "encoding", "page_count", "page_size", "collation_list",
    "compile_options", "foreign_keys", "integrity_check", "quick_check", "foreign_key_check",
}


class Refused(Exception):
    pass


def authorize(action, first, second, database, trigger):
    if action in (ATTACH, DETACH):
        return sqlite3.SQLITE_DENY
    if action == PRAGMA and (first.lower() not in PRAGMAS):
        return sqlite3.SQLITE_DENY
    if action == FUNCTION and second and second.lower() in ("load_extension", "fts3_tokenizer"):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def connect(path, read_only, seconds):
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    mode = "ro" if read_only else "rwc"
    database = sqlite3.connect(f"file:{quoted}?mode={mode}", uri=True, timeout=min(5, seconds), isolation_level=None)
    ends_at = time.monotonic() + seconds
    database.set_progress_handler(lambda: 1 if time.monotonic() > ends_at else 0, 10000)
    if read_only:
        database.execute("PRAGMA query_only = ON")
    database.execute("PRAGMA trusted_schema = OFF")
    database.set_authorizer(authorize)
    return database


def to_cell(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, int) and abs(value) > SAFE_INTEGER:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def to_param(value):
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def type_of(value):
    names = {int: "integer", float: "real", str: "text", bytes: "blob"}
    return names.get(type(value), "null")


def query(database, request):
    params = [to_param(value) for value in request["params"]]
    cursor = database.execute(request["sql"], params)
    if cursor.description is None:
        if request["readOnly"]:
            raise Refused("Under readOnly only a statement that gives rows can be run")
        return {"columns": [], "rows": [], "rowCount": max(0, cursor.rowcount), "truncated": False}
    names = [column[0] for column in cursor.description]
    types = ["null"] * len(names)
    rows, size, truncated = [], 0, False
    for row in cursor:
        size += sum(len(cell) if isinstance(cell, (str, bytes)) else 8 for cell in row)
        if len(rows) >= request["maxRows"] or size > request["maxBytes"]:
            truncated = True
            break
        types = [type_of(cell) if known == "null" else known for known, cell in zip(types, row)]
        rows.append([to_cell(cell) for cell in row])
    columns = [{"name": name, "type": type} for name, type in zip(names, types)]
    return {"columns": columns, "rows": rows, "rowCount": len(rows), "truncated": truncated}


def scan(database, request):
    columns = []
    tables = database.execute(
        "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    ).fetchall()
    for table, kind in tables:
        keys = {}
        for key in database.execute("SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list(?)", [table]):
            keys[key[0]] = f"main.{key[1]}.{key[2] or 'rowid'}"
        estimate = database.execute(f'SELECT max(rowid) FROM "{table}"').fetchone()[0] if has_rowid(database, table, kind) else None
        info = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?)"
        for name, type, notnull, default, pk in database.execute(info, [table]):
            columns.append({
                "schema": "main", "table": table, "kind": kind, "rowEstimate": estimate if isinstance(estimate, int) else None,
                "name": name, "type": type or "any", "nullable": not notnull and not pk, "default": default,
                "primaryKey": pk > 0, "references": keys.get(name),
            })
            if len(columns) >= request["maxColumns"]:
                return columns
    return columns


def has_rowid(database, table, kind):
    # no statement can name a table with a NUL in its name
    if kind != "table" or "\0" in table:
        return False
    row = database.execute("SELECT wr FROM pragma_table_list(?)", [table]).fetchone()
    return row is not None and row[0] == 0


def answer(request):
    read_only = request.get("readOnly", True)
    database = connect(request["path"], read_only, request.get("timeoutSeconds", 10))
    if request["operation"] == "test":
        database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return {"serverVersion": sqlite3.sqlite_version}
    return query(database, request) if request["operation"] == "query" else scan(database, request)


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.loads(sys.stdin.buffer.read())
    try:
        reply = {"value": answer(request)}
    except Refused as error:
        reply = {"fault": "statement", "message": str(error)}
    except sqlite3.ProgrammingError as error:
        is_param = "binding" in str(error) or "parameter" in str(error)
        reply = {"fault": "params" if is_param else "statement", "message": str(error)}
    except sqlite3.Error as error:
        text = str(error)
        if text == "interrupted":
            reply = {"fault": "timeout", "message": f"It took longer than {request.get('timeoutSeconds', 10)} s and was ended"}
        else:
            cannot = text.startswith(("unable to open", "file is not a database", "database is locked"))
            reply = {"fault": "connection" if cannot else "statement", "message": text}
    except (sqlite3.Warning, UnicodeError, OverflowError) as error:
        reply = {"fault": "statement", "message": str(error)}
    except MemoryError:
        reply = {"fault": "statement", "message": "The query needs too much memory"}
    sys.stdout.write(json.dumps(reply))


main()
