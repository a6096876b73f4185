"""Makes the root folder of an execution out of the mounts of a policy. For zygote.py alone."""

import ctypes
import os
import struct

from zygote_kernel import MACHINE, check, libc

SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_MOUNT_SETATTR = 442
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = {"stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "fd": "fd"}


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


class Source:
    """Where an entry's files really are, since links on the way lead elsewhere once the root is another."""

    def __init__(self, path):
        self.path = os.path.realpath(path)
        self.is_folder = os.path.isdir(self.path)


class Sources:
    """Looked up by the zygote, once for all its forks: the system's folders and installations do not move."""

    def __init__(self):
        self.known = {}

    def find(self, mounts):
        """@returns a source for each entry, or None where it needs none."""
        return [self.find_one(entry) for entry in mounts]

    def find_one(self, entry):
        path, kind = entry.get("source", entry["path"]), entry["kind"]
        if kind == "writable":
            return Source(path)
        if kind != "readOnly":
            return None
        if path not in self.known:
            self.known[path] = Source(path)
        return self.known[path]


def make_folder(path):
    """With those above it; most are there already, so the deepest is tried first."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folder(os.path.dirname(path))
        os.mkdir(path)


def make_target(is_folder, target):
    if is_folder:
        make_folder(target)
        return
    make_folder(os.path.dirname(target))
    if not os.path.lexists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def bind(source, target, attributes, is_folder=False):
    make_target(is_folder, target)
    mount(source, target, None, MS_BIND | MS_REC)
    if attributes:
        restrict_mount(target, attributes, AT_RECURSIVE)


def make_devices(target):
    make_folder(target)
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
        bind(f"/old{source.path}", target, closed | MOUNT_ATTR_RDONLY, source.is_folder)
    elif kind == "writable":
        bind(f"/old{source.path}", target, closed, source.is_folder)
    elif kind == "symlink":
        make_folder(os.path.dirname(target))
        os.symlink(entry["target"], target)
    elif kind == "empty":
        make_folder(target)
        mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0755,size={entry['sizeBytes']},{owner}")
    elif kind == "proc":
        make_folder(target)
        mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    elif kind == "dev":
        make_devices(target)
    elif kind == "sealed":
        restrict_mount(target, MOUNT_ATTR_RDONLY)
    else:
        raise OSError(f"unknown mount {kind}")


def change_root(mounts, sources, uid, gid):
    """Sees from now on what the policy names, and nothing else of this machine."""
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
