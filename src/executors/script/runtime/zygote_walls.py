"""What a fork gives up before it runs a script, and the process that keeps its namespace. For zygote.py alone."""

import array
import base64
import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct

from zygote_kernel import (
    CLONE_NEWNET, CLONE_NEWUSER, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, close_capabilities,
    drop_capabilities, filter_calls, prctl, unshare,
)
from zygote_mounts import change_root

SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
BACKLOG = 128
# Exit codes from here on say which signal ended the script, as with shells.
SIGNALED = 128
# More than the zygote ever has open.
MAX_DESCRIPTORS = 1024
MARKER = b"HEADRACE_EXECUTION="


def find_marker():
    """Where the execution's marker stands in this process's first environment, which /proc shows, and its room."""
    with open("/proc/self/stat", encoding="latin-1") as file:
        fields = file.read().rpartition(")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    at = ctypes.string_at(start, end - start).find(b"\0" + MARKER)
    if at < 0:
        raise OSError("no marker in the environment")
    address = start + at + 1 + len(MARKER)
    return address, len(ctypes.string_at(address))


def map_user(uid, gid):
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def leave_network():
    if os.getuid() == 0:
        unshare(CLONE_NEWNET)
        return
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    map_user(uid, gid)
    drop_capabilities()


def open_ports(request, channel):
    """The worker accepts what connects to these: nothing else leads out of this network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP_RUNNING))
    for port in request.get("ports", []):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port))
            server.listen(BACKLOG)
            message = {"cmd": "NODE_HANDLE", "type": "net.Server", "msg": {"id": request["id"], "port": port}}
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [server.fileno()]))]
            channel.sendmsg([json.dumps(message).encode() + b"\n"], rights)


def set_limits(limits):
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def isolate(request, zygote, channel):
    """Gives up what the script must not have. The order counts: each step may need what a later one takes away."""
    os.setsid()
    # In a user namespace that has no map yet, this process does not know who it is.
    uid, gid = request.get("uid", zygote.uid), request.get("gid", zygote.gid)
    is_root = zygote.uid == 0
    world = request.get("namespaces")
    if world:
        if not is_root:
            map_user(uid, gid)
        socket.sethostname(world["hostname"])
        open_ports(request, channel)
        change_root(world["mounts"], request["sources"], uid, gid)
        close_capabilities()
    elif not request["network"]:
        leave_network()
    set_limits(request["limits"])
    if "uid" in request:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if world:
        drop_capabilities()
    if request["hardened"]:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    # A change of user clears the death signal, and hides a process's own /proc folder from it.
    prctl(PR_SET_DUMPABLE, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # In a namespace of its own it cannot see its parent; the end of its sockets tells it then.
    if not world and os.getppid() != zygote.pid:
        raise OSError("the zygote is gone")
    address, room = zygote.marker
    value = request["env"]["HEADRACE_EXECUTION"].encode()
    if len(value) > room:
        raise OSError("the marker has no room")
    ctypes.memmove(address, value.ljust(room, b"\0"), room)
    os.chdir(request["cwd"])
    if request.get("seccomp"):
        filter_calls(base64.b64decode(request["seccomp"]))


def keep_world(report):
    """
    Process 1 of a namespace: runs the script as its child, since a first process is deaf to signals from inside. When
    that has ended, it ends all that is left, and only then says so on its own socket: the worker need not wait until the
    kernel has taken the namespace apart. @returns in the child only.
    """
    # The script is the same user, and must not be able to look into this process or steer it.
    prctl(PR_SET_DUMPABLE, 0)
    child = os.fork()
    if child == 0:
        os.close(report)
        prctl(PR_SET_DUMPABLE, 1)
        return
    try:
        for number in (signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.closerange(0, report)
        os.closerange(report + 1, MAX_DESCRIPTORS)
        pid = status = 0
        while pid != child:
            pid, status = os.wait()
        end_all()
        code = os.waitstatus_to_exitcode(status)
        os.write(report, json.dumps(tell_end(code)).encode() + b"\n")
        os._exit(code if code >= 0 else SIGNALED - code)
    finally:
        os._exit(1)


def tell_end(code):
    """An exit code of os.waitstatus_to_exitcode as the worker is told of it."""
    try:
        return {"exitCode": code} if code >= 0 else {"signal": signal.Signals(-code).name}
    except ValueError:
        return {"exitCode": SIGNALED - code}


def end_all():
    """Ends and collects every other process of this namespace: without children, its first process is alone there."""
    while True:
        with contextlib.suppress(OSError):
            os.kill(-1, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return
