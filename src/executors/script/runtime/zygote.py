"""Forks Python processes that are ready to run a script: the interpreter and the usual modules are loaded once.

Runs as the worker and only ever runs Headrace's own code and the standard library. Everything of a package, the site
customisation of an environment included, is loaded by the forked process after it has given up every privilege.

Speaks JSON, one object a line. stdin: first {"address", "token", "harness"}, the worker's socket and the path of
harness.py; then requests {"id", "cwd", "env", "uid"?, "gid"?, "prefix"?} with the walls of workers/sandbox/launcher.ts.
stdout: {"ready": pid}, {"forked": id, "pid"}, {"failed": id, "reason"}, {"exited": pid, "exitCode"|"signal", "alone"}. A
forked process has three sockets to the worker: descriptors 0 and 3 are one, 1 and 2 the others. It says "+" on the first
when it is what was asked for, or "-" and a reason; then the harness waits for its job there. Sockets that listen inside
its network go to the worker over descriptor 3 of the zygote, as Node.js passes them between processes of its own.
"""

import array
import atexit
import base64
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

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
# Mounts, control groups, names of the host, System V objects, processes, network.
CLONE_NEW_WORLD = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | CLONE_NEWNET
SYS_CLONE = {"x86_64": 56, "aarch64": 220}
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_MOUNT_SETATTR = 442
MACHINE = os.uname().machine
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_RDONLY = 2, 4, 8, 32, 1
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
BACKLOG = 128
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = {"stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "fd": "fd"}
# Exit codes from here on say which signal ended the script, as with shells.
SIGNALED = 128
# More than the zygote ever has open.
MAX_DESCRIPTORS = 1024
MARKER = b"HEADRACE_EXECUTION="

libc = ctypes.CDLL(None, use_errno=True)
# Keeps the interpreter's lock, which the copy of this process could never take back.
locked_libc = ctypes.PyDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def prctl(option, value):
    check(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "prctl")


def unshare(flags):
    check(libc.unshare(ctypes.c_int(flags)), "unshare")


class Capabilities(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int), ("sets", ctypes.c_uint32 * 6)]


def drop_capabilities():
    """A process that made a user namespace has every capability in it."""
    header = Capabilities(0x20080522, 0)
    check(libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())), "capset")


def close_capabilities():
    """Nothing that this process starts can have one again; what the kernel does not know ends the list."""
    number = 0
    while libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0) == 0:
        number += 1


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


def clone_world():
    """Forks into namespaces of its own, the copy as process 1. Only what has one thread and the lock may do this."""
    flags = CLONE_NEW_WORLD | signal.SIGCHLD | (0 if os.getuid() == 0 else CLONE_NEWUSER)
    zero = ctypes.c_long(0)
    return check(locked_libc.syscall(ctypes.c_long(SYS_CLONE[MACHINE]), ctypes.c_long(flags), zero, zero, zero, zero), "clone")


def mount(source, target, kind, flags, data=""):
    arguments = [None if text is None else text.encode() for text in (source, target, kind)]
    check(libc.mount(*arguments, ctypes.c_ulong(flags), data.encode()), f"mount {target}")


def restrict_mount(path, attributes, flags=0):
    settings = struct.pack("=QQQQ", attributes, 0, 0, 0)
    result = libc.syscall(
        ctypes.c_long(SYS_MOUNT_SETATTR), ctypes.c_int(AT_FDCWD), path.encode(), ctypes.c_uint(flags), settings,
        ctypes.c_size_t(len(settings)),
    )
    check(result, f"restrict {path}")


def make_target(source, target):
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.lexists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def bind(source, target, attributes):
    make_target(source, target)
    mount(source, target, None, MS_BIND | MS_REC)
    if attributes:
        restrict_mount(target, attributes, AT_RECURSIVE)


def make_devices(target):
    os.makedirs(target, exist_ok=True)
    mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755")
    for name in DEVICES:
        if os.path.exists(f"/old/dev/{name}"):
            bind(f"/old/dev/{name}", f"{target}/{name}", 0)
    for name, path in DEVICE_LINKS.items():
        os.symlink(f"/proc/self/{path}", f"{target}/{name}")
    os.mkdir(f"{target}/pts")
    mount("devpts", f"{target}/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    os.symlink("pts/ptmx", f"{target}/ptmx")


def put_mount(entry, source, owner):
    """One entry of the policy, from /old into /new."""
    path, kind = entry["path"], entry["kind"]
    target = f"/new{path}"
    closed = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
    if kind == "readOnly":
        bind(f"/old{source}", target, closed | MOUNT_ATTR_RDONLY)
    elif kind == "writable":
        bind(f"/old{source}", target, closed)
    elif kind == "symlink":
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(entry["target"], target)
    elif kind == "empty":
        os.makedirs(target, exist_ok=True)
        mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0755,size={entry['sizeBytes']},{owner}")
    elif kind == "proc":
        os.makedirs(target, exist_ok=True)
        mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    elif kind == "dev":
        make_devices(target)
    elif kind == "sealed":
        restrict_mount(target, MOUNT_ATTR_RDONLY)
    else:
        raise OSError(f"unknown mount {kind}")


def change_root(mounts, uid, gid):
    """Sees from now on what the policy names, and nothing else of this machine."""
    # Links on the way lead elsewhere once the root is another.
    sources = [os.path.realpath(entry.get("source", entry["path"])) for entry in mounts]
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for name in ("old", "new"):
        os.mkdir(f"/tmp/{name}", 0o755)
    pivot_root("/tmp", "/tmp/old")
    os.chdir("/")
    mount("tmpfs", "/new", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for entry, source in zip(mounts, sources):
        put_mount(entry, source, f"uid={uid},gid={gid}")
    check(libc.umount2(b"/old", ctypes.c_int(MNT_DETACH)), "umount")
    os.chdir("/new")
    pivot_root(".", ".")
    check(libc.umount2(b".", ctypes.c_int(MNT_DETACH)), "umount")
    os.chdir("/")


def pivot_root(new, old):
    check(libc.syscall(ctypes.c_long(SYS_PIVOT_ROOT[MACHINE]), new.encode(), old.encode()), "pivot_root")


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


def filter_calls(program):
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    pointer = ctypes.byref(Program(len(program) // 8, program))
    check(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer, 0, 0), "seccomp")


def set_limits(limits):
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def isolate(request, zygote, channel):
    """Gives up what the script must not have. The order counts: each step may need what a later one takes away."""
    os.setsid()
    uid, gid = request.get("uid", os.getuid()), request.get("gid", os.getgid())
    is_root = zygote.uid == 0
    world = request.get("namespaces")
    if world:
        if not is_root:
            map_user(uid, gid)
        socket.sethostname(world["hostname"])
        open_ports(request, channel)
        change_root(world["mounts"], uid, gid)
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


def keep_world():
    """
    Process 1 of a namespace: runs the script as its child, since a first process is deaf to signals from inside, and
    collects what is orphaned. Its end is everybody's. @returns in the child only.
    """
    child = os.fork()
    if child == 0:
        return
    try:
        # The script is the same user, and must not be able to look into this process or steer it.
        prctl(PR_SET_DUMPABLE, 0)
        for number in (signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.closerange(0, MAX_DESCRIPTORS)
        while True:
            pid, status = os.wait()
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else SIGNALED - code)
    finally:
        os._exit(1)


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
    control, stdout, stderr = (fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in sockets)
    for source, target in ((control, 0), (stdout, 1), (stderr, 2), (control, 3)):
        os.dup2(source, target)
    os.closerange(4, MAX_DESCRIPTORS)


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
                keep_world()
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
        self.uid = os.getuid()
        self.marker = find_marker()
        # of each child, whether it is process 1 of a namespace
        self.children = {}
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
        is_world = "namespaces" in request
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
            try:
                how = {"exitCode": code} if code >= 0 else {"signal": signal.Signals(-code).name}
            except ValueError:
                how = {"exitCode": SIGNALED - code}
            # The kernel ends a namespace with its first process.
            self.say({"exited": pid, **how, "alone": is_world or self.has_no_strays()})

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
