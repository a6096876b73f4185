"""Forks Python processes that are ready to run a script: the interpreter and the usual modules are loaded once.

Runs as the worker and only ever runs Headrace's own code and the standard library. Everything of a package, the site
customisation of an environment included, is loaded by the forked process after it has given up every privilege.

Speaks JSON, one object a line. stdin: first {"address", "token", "harness"}, the worker's socket and the path of
harness.py; then requests {"id", "cwd", "env", "uid"?, "gid"?, "limits": {name: number}, "network", "hardened", "prefix"?}.
stdout: {"ready": pid}, {"forked": id, "pid"}, {"failed": id, "reason"}, {"exited": pid, "exitCode"|"signal", "alone"}. A
forked process has three sockets to the worker: descriptors 0 and 3 are one, 1 and 2 the others. It says "+" on the first
when it is what was asked for, or "-" and a reason; then the harness waits for its job there.
"""

import atexit
import fcntl
import gc
import json
import os
import select
import signal
import site
import socket
import sys

# What scripts import most, loaded once for all of them. Not `sysconfig`: it remembers the prefix that it first saw.
import argparse, asyncio, base64, collections.abc, concurrent.futures, contextlib, copy, csv, ctypes, dataclasses
import datetime, decimal, email, enum, fractions, functools, glob, gzip, hashlib, hmac, html, http.client, inspect, io
import itertools, linecache, logging, math, operator, pathlib, pprint, queue, random, re, resource, secrets, shutil
import ssl, statistics, string, struct, subprocess, tempfile, textwrap, threading, time, traceback, types, typing
import unicodedata, urllib.request, uuid, warnings, weakref, xml.etree.ElementTree, zipfile, zlib

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
# More than the zygote ever has open.
MAX_DESCRIPTORS = 1024
MARKER = b"HEADRACE_EXECUTION="

libc = ctypes.CDLL(None, use_errno=True)


def prctl(option, value):
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def unshare(flags):
    if libc.unshare(ctypes.c_int(flags)) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


class Capabilities(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int), ("sets", ctypes.c_uint32 * 6)]


def drop_capabilities():
    """A process that made a user namespace has every capability in it."""
    header = Capabilities(0x20080522, 0)
    if libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())) != 0:
        raise OSError(ctypes.get_errno(), "capset")


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


def leave_network(is_root):
    if is_root:
        unshare(CLONE_NEWNET)
        return
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    drop_capabilities()


def isolate(request, zygote_pid, marker):
    """Gives up what the script must not have. The order counts: each step may need what a later one takes away."""
    os.setsid()
    is_root = os.getuid() == 0
    if not request["network"]:
        leave_network(is_root)
    for name, value in request["limits"].items():
        kind = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    if "uid" in request:
        os.setgroups([])
        os.setresgid(request["gid"], request["gid"], request["gid"])
        os.setresuid(request["uid"], request["uid"], request["uid"])
    if request["hardened"]:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    # A change of user clears the death signal, and hides a process's own /proc folder from it.
    prctl(PR_SET_DUMPABLE, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != zygote_pid:
        raise OSError("the zygote is gone")
    address, room = marker
    value = request["env"]["HEADRACE_EXECUTION"].encode()
    if len(value) > room:
        raise OSError("the marker has no room")
    ctypes.memmove(address, value.ljust(room, b"\0"), room)
    os.chdir(request["cwd"])


def become_interpreter(request):
    """What a fresh interpreter of this environment would look like."""
    os.environ.clear()
    os.environ.update(request["env"])
    prefix = request.get("prefix")
    if prefix:
        sys.prefix = sys.exec_prefix = prefix
        sys.executable = os.path.join(prefix, "bin/python")
    site.PREFIXES = [sys.prefix]
    site.addsitepackages(set(sys.path), [sys.prefix])
    site.execsitecustomize()
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(descriptor, "w", closefd=False)
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="strict", write_through=True)
        stream.mode = "w"
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    logging._startTime = time.time()
    gc.enable()


def finish(code):
    """Ends as an interpreter does, without taking its modules apart one by one."""
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    finally:
        os._exit(code)


def run_child(request, sockets, harness, zygote_pid, marker):
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            control, stdout, stderr = (fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in sockets)
            for source, target in ((control, 0), (stdout, 1), (stderr, 2), (control, 3)):
                os.dup2(source, target)
            os.closerange(4, MAX_DESCRIPTORS)
            isolate(request, zygote_pid, marker)
            become_interpreter(request)
        except BaseException as error:
            reason = f"-{type(error).__name__}: {error}".replace("\n", " ")
            os.write(3, reason.encode() + b"\n")
            os._exit(125)
        os.write(3, b"+\n")
        try:
            harness["run"]()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:  # only a process that the script forked gets here
            traceback.print_exc()
        finish(code & 0xFF)
    finally:
        os._exit(code)


class Zygote:
    def __init__(self, address, token, harness):
        with open(harness, encoding="utf-8") as file:
            code = compile(file.read(), "harness.py", "exec", dont_inherit=True)
        self.harness = {"__name__": "headrace_harness", "__builtins__": __builtins__}
        exec(code, self.harness)
        self.address = address
        self.token = token
        self.pid = os.getpid()
        self.marker = find_marker()
        self.children = set()
        self.children_file = f"/proc/self/task/{self.pid}/children"

    def say(self, message):
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(1, data):]

    def connect(self, request_id):
        sockets = []
        try:
            for number in range(3):
                one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                sockets.append(one)
                one.connect(self.address)
                one.sendall(f"{self.token} {request_id} {number}\n".encode())
        except OSError:
            for one in sockets:
                one.close()
            raise
        return sockets

    def fork(self, request):
        try:
            sockets = self.connect(request["id"])
        except OSError as error:
            self.say({"failed": request["id"], "reason": str(error)})
            return
        try:
            pid = os.fork()
        except OSError as error:
            self.say({"failed": request["id"], "reason": str(error)})
        else:
            if pid == 0:
                run_child(request, sockets, self.harness, self.pid, self.marker)
            self.children.add(pid)
            self.say({"forked": request["id"], "pid": pid})
        finally:
            for one in sockets:
                one.close()

    def reap(self):
        """Collects what has ended. What an execution leaves becomes a child of ours, so that it cannot hide."""
        ended = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid in self.children:
                self.children.discard(pid)
                ended.append((pid, status))
        if not ended:
            return
        is_alone = self.has_no_strays()
        for pid, status in ended:
            code = os.waitstatus_to_exitcode(status)
            how = {"exitCode": code} if code >= 0 else {"signal": signal.Signals(-code).name}
            self.say({"exited": pid, **how, "alone": is_alone})

    def has_no_strays(self):
        try:
            with open(self.children_file, encoding="ascii") as file:
                return self.children.issuperset(int(pid) for pid in file.read().split())
        except OSError:
            return False

    def serve(self):
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(reader, select.POLLIN)
        pending = b""
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == reader:
                    os.read(reader, 4096)
                    self.reap()
                    continue
                chunk = os.read(0, 1 << 16)
                if not chunk:
                    return
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    self.fork(json.loads(line))


def read_line():
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit(0)
        line += byte
    return line


def main():
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    site.setquit()
    site.setcopyright()
    site.sethelper()
    zygote = Zygote(**json.loads(read_line()))
    # What is there now is shared by all children: a collection in one of them must not touch, and so copy, it.
    gc.collect()
    gc.disable()
    gc.freeze()
    zygote.say({"ready": os.getpid()})
    zygote.serve()


main()
