"""Runs Streamlit on a unix socket in the app's folder, so that no port is opened: serve.py SOCKET FOLDER SCRIPT [OPTION …]."""

import os
import socket
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))


def _listen(name, backlog):
    # Relative, since the kernel takes 107 bytes at most.
    before = os.getcwd()
    os.chdir(os.path.dirname(FOLDER))
    try:
        if os.path.lexists(name):
            os.unlink(name)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.bind(name)
        listener.listen(backlog)
        return listener
    finally:
        os.chdir(before)


def _choose_address(name):
    """Newer versions serve by uvicorn, which refuses unix addresses: it is handed a listening socket instead."""
    try:
        from streamlit.web.server.starlette import starlette_server
    except ImportError:
        return f"unix://{os.path.join(os.path.dirname(FOLDER), name)}"
    if not hasattr(starlette_server, "_bind_socket"):
        sys.exit("This version of Streamlit cannot serve on a unix socket; ask for streamlit==1.64.* in requirements")
    starlette_server._bind_socket = lambda _address, _port, backlog: _listen(name, backlog)
    return "127.0.0.1"


def _main():
    name, folder, script, *options = sys.argv[1:]
    os.chdir(folder)
    from streamlit.web import cli

    sys.argv = ["streamlit", "run", script, f"--server.address={_choose_address(name)}", *options]
    cli.main(prog_name="streamlit")


_main()
