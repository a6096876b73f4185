"""Opens listening sockets inside the network namespaces of a worker's steps and hands them to the worker.

The worker thereby accepts a step's connections itself: no process of ours runs beside the step's, and nothing of the
step's can speak for another. Speaks Node's own channel for child processes on descriptor 3: a line of JSON a message,
sockets as ancillary data. A request is {"id", "pid", "uid"?, "gid"?, "port"}.
"""

import array
import ctypes
import fcntl
import json
import os
import signal
import socket
import sys

CHANNEL = 3
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
NS_GET_USERNS = 0xB701
BACKLOG = 128

libc = ctypes.CDLL(None, use_errno=True)


def enter(fd, kind):
    if libc.setns(fd, kind) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def listen(request):
    """Runs in a process of its own: whoever has entered a namespace does not come back."""
    if "uid" in request:
        # The owner of a step's user namespace has all rights inside it, where root may have been stripped of them.
        os.setgroups([])
        os.setresgid(*[request["gid"]] * 3)
        os.setresuid(*[request["uid"]] * 3)
    network = os.open(f"/proc/{request['pid']}/ns/net", os.O_RDONLY)
    enter(fcntl.ioctl(network, NS_GET_USERNS), CLONE_NEWUSER)
    enter(network, CLONE_NEWNET)
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Not 127.0.0.1: the loopback device may not be up yet, and there is no other.
    server.bind(("0.0.0.0", request["port"]))
    server.listen(BACKLOG)
    return server


def answer(channel, message, handle=None):
    data = (json.dumps(message) + "\n").encode()
    rights = [] if handle is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [handle.fileno()]))]
    channel.sendmsg([data], rights)


def serve(channel, request):
    try:
        server = listen(request)
        answer(channel, {"cmd": "NODE_HANDLE", "type": "net.Server", "msg": {"id": request["id"]}}, server)
    except OSError as error:
        answer(channel, {"id": request["id"], "error": str(error)})


def main():
    channel = socket.socket(fileno=CHANNEL)
    channel.setblocking(True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    pending = b""
    while chunk := channel.recv(65536):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            request = json.loads(line)
            # The channel's own messages, receipts of sockets for one, need no answer.
            if "id" not in request:
                continue
            if os.fork() == 0:
                serve(channel, request)
                os._exit(0)


if sys.platform == "linux":
    main()
