"""System calls that Python has no function for, and the numbers that they take. For zygote.py and its parts alone."""

import ctypes
import os
import signal

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
MACHINE = os.uname().machine

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


def clone_world():
    """Forks into namespaces of its own, the copy as process 1. Only what has one thread and the lock may do this."""
    flags = CLONE_NEW_WORLD | signal.SIGCHLD | (0 if os.getuid() == 0 else CLONE_NEWUSER)
    arguments = [ctypes.c_long(value) for value in (SYS_CLONE[MACHINE], flags, 0, 0, 0, 0)]
    return check(locked_libc.syscall(*arguments), "clone")


def filter_calls(program):
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    pointer = ctypes.byref(Program(len(program) // 8, program))
    check(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer, 0, 0), "seccomp")
