"""Closes the file system and TCP for itself by Landlock, filters system calls, and becomes the command.

Arguments: the rules as JSON {"readable", "writable", "devices", "ports", "seccomp"}, then the command. `--probe` as the only
argument prints the kernel's Landlock version.
"""

import base64
import ctypes
import json
import os
import struct
import sys

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_PATH, RULE_PORT = 1, 2
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
BIND_TCP, CONNECT_TCP = 1, 2
ABSTRACT_SOCKETS, SIGNALS = 1, 2
# Rights that a rule for a single file may name.
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

libc = ctypes.CDLL(None, use_errno=True)


def call(number, *args):
    result = libc.syscall(ctypes.c_long(number), *args)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def find_version():
    try:
        return call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except OSError:
        return 0


def rights_of(version):
    """All rights over files that this version knows; what is not named in a ruleset is not restricted."""
    return (1 << (13 + min(max(version - 1, 0), 2) + (1 if version >= 5 else 0))) - 1


def add_path(ruleset, path, rights):
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):
        rights &= OF_FILES
    rule = struct.pack("=Qi", rights, fd)
    call(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(RULE_PATH), rule, ctypes.c_uint32(0))
    os.close(fd)


def restrict(version, rules):
    everything = rights_of(version)
    sizes = {True: 8, version >= 4: 16, version >= 6: 24}
    attributes = struct.pack("=QQQ", everything, BIND_TCP | CONNECT_TCP, ABSTRACT_SOCKETS | SIGNALS)
    size = max(size for is_known, size in sizes.items() if is_known)
    ruleset = call(CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    for path in rules["readable"]:
        add_path(ruleset, path, EXECUTE | READ_FILE | READ_DIR)
    for path in rules["devices"]:
        add_path(ruleset, path, (READ_FILE | WRITE_FILE | READ_DIR | IOCTL_DEV) & everything)
    for path in rules["writable"]:
        add_path(ruleset, path, everything)
    if version >= 4:
        for port in rules["ports"]:
            rule = struct.pack("=QQ", CONNECT_TCP, port)
            call(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(RULE_PORT), rule, ctypes.c_uint32(0))
    call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def filter_calls(program):
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    pointer = ctypes.byref(Program(len(program) // 8, program))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter of system calls was refused")


def main():
    if sys.argv[1:] == ["--probe"]:
        print(find_version())
        return
    rules = json.loads(sys.argv[1])
    command = sys.argv[2:]
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "privileges could not be given up")
    restrict(find_version(), rules)
    if rules["seccomp"]:
        filter_calls(base64.b64decode(rules["seccomp"]))
    os.execvp(command[0], command)


main()
