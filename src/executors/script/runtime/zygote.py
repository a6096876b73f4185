"""Forks Python processes that are ready to run a script: the interpreter and the usual modules are loaded once.

Runs as the worker and only ever runs Headrace's own code and the standard library. Everything of a package, the site
customisation of an environment included, is loaded by the forked process after it has given up every privilege.

Speaks JSON, one object a line. stdin: first {"address", "token", "harness"}, the worker's socket and the path of
harness.py; then requests {"id", "cwd", "env", "uid"?, "gid"?, "prefix"?} with the walls of workers/sandbox/launcher.ts.
stdout: {"ready": pid}, {"forked": id, "pid"}, {"failed": id, "reason"}, {"exited": pid, "exitCode"|"signal", "alone"}. A
forked process has three sockets to the worker: descriptors 0 and 3 are one, 1 and 2 the others. It says "+" on the first
when it is what was asked for, or "-" and a reason; then the harness waits for its job there. Process 1 of a namespace
has a fourth, on which it says {"exitCode"|"signal"} once nothing of the execution is left. Sockets that listen inside its
network go to the worker over descriptor 3 of the zygote, as Node.js passes them between processes of its own.
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
import argparse, asyncio, collections.abc, concurrent.futures, contextlib, copy, csv, ctypes, dataclasses
import datetime, decimal, email, enum, fractions, functools, glob, gzip, hashlib, hmac, html, http.client, inspect, io
import itertools, linecache, logging, math, operator, pathlib, pprint, queue, random, re, resource, secrets, shutil
import ssl, statistics, string, struct, subprocess, tempfile, textwrap, threading, time, traceback, types, typing
import unicodedata, urllib.request, uuid, warnings, weakref, xml.etree.ElementTree, zipfile, zlib

# The other parts of this program lie beside it. An isolated interpreter does not look there, and nobody else shall.
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from zygote_kernel import PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, clone_world, prctl
from zygote_mounts import Sources
from zygote_walls import MAX_DESCRIPTORS, SIGNALED, find_marker, isolate, keep_world, tell_end

sys.path.pop(0)
sys.dont_write_bytecode = False
for part in ("kernel", "mounts", "walls"):
    del sys.modules[f"zygote_{part}"]

# After the four descriptors of every process: what process 1 of a namespace tells the worker of the end.
REPORT = 4


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


def arrange_descriptors(sockets):
    control, stdout, stderr, *more = (fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in sockets)
    for source, target in ((control, 0), (stdout, 1), (stderr, 2), (control, 3)):
        os.dup2(source, target)
    for report in more:
        os.dup2(report, REPORT, inheritable=False)
    os.closerange(REPORT + 1 if more else REPORT, MAX_DESCRIPTORS)


def run_child(request, sockets, zygote):
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # The worker's channel is kept just long enough to send over it, and out of the way.
        channel = socket.socket(fileno=fcntl.fcntl(3, fcntl.F_DUPFD_CLOEXEC, 10))
        arranged = False
        try:
            isolate(request, zygote, channel)
            channel.detach()
            arrange_descriptors(sockets)
            arranged = True
            if "namespaces" in request:
                keep_world(REPORT)
            become_interpreter(request)
        except BaseException as error:
            reason = f"-{type(error).__name__}: {error}".replace("\n", " ")
            os.write(3 if arranged else sockets[0].fileno(), reason.encode() + b"\n")
            os._exit(125)
        os.write(3, b"+\n")
        try:
            zygote.harness["run"]()
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
        self.uid, self.gid = os.getuid(), os.getgid()
        self.marker = find_marker()
        self.sources = Sources()
        # of each child, whether it is process 1 of a namespace
        self.children = {}
        self.children_file = f"/proc/self/task/{self.pid}/children"

    def say(self, message):
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(1, data):]

    def connect(self, request_id, count):
        sockets = []
        try:
            for number in range(count):
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
        world = request.get("namespaces")
        is_world = world is not None
        if is_world:
            request["sources"] = self.sources.find(world["mounts"])
        try:
            sockets = self.connect(request["id"], 4 if is_world else 3)
        except OSError as error:
            self.say({"failed": request["id"], "reason": str(error)})
            return
        try:
            pid = clone_world() if is_world else os.fork()
        except (OSError, KeyError) as error:
            self.say({"failed": request["id"], "reason": str(error)})
        else:
            if pid == 0:
                run_child(request, sockets, self)
            self.children[pid] = is_world
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
                ended.append((pid, os.waitstatus_to_exitcode(status), self.children.pop(pid)))
        for pid, code, is_world in ended:
            if is_world and code > SIGNALED:
                code = SIGNALED - code
            # The kernel ends a namespace with its first process.
            self.say({"exited": pid, **tell_end(code), "alone": is_world or self.has_no_strays()})

    def has_no_strays(self):
        try:
            with open(self.children_file, encoding="ascii") as file:
                return all(int(pid) in self.children for pid in file.read().split())
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
        poll.register(3, select.POLLIN)
        pending = b""
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == reader:
                    os.read(reader, 4096)
                    self.reap()
                    continue
                if descriptor == 3:
                    # Receipts for sockets; its end comes with that of stdin.
                    if not os.read(3, 4096):
                        return
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
