"""Tries to get out of the sandbox in every way it knows, and returns the names of those that worked."""

import ctypes
import glob
import http.client
import os
import socket
import subprocess

libc = ctypes.CDLL(None, use_errno=True)


def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(2)
        attempt.connect(address)


def read(path):
    with open(path, "rb") as file:
        return bool(file.read(1))


def write(path):
    with open(path, "a") as file:
        file.write("x")


def call(number, *args):
    return libc.syscall(number, *args) >= 0


def through_proxy(host, port):
    """By CONNECT and by a plain request: both must be refused."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    answered = False
    for method, target in (("CONNECT", authority), ("GET", f"http://{authority}/latest/meta-data/")):
        client = http.client.HTTPConnection("127.0.0.1", 3128, timeout=5)
        client.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        client.putheader("Host", authority)
        client.endheaders()
        answered |= client.getresponse().status < 400
        client.close()
    return answered


def other_processes():
    return any(pid.isdigit() and int(pid) > 64 for pid in os.listdir("/proc"))


def foreign_environment(hidden):
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                if hidden.encode() in file.read():
                    return True
        except OSError:
            pass
    return False


def effective_capabilities():
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("CapEff")).split()[1], 16) != 0


def main(changes_machine, ports, addresses, sockets, abstract, paths, places, pid, secret, spellings, udp_port):
    if changes_machine and os.getuid() == 0:
        return ["runs as root"]
    attempts = {}
    for port in ports:
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            attempts[f"tcp {address} {port}"] = lambda f=family, a=address, p=port: connect(f, (a, p))
    for path in sockets:
        attempts[f"unix {path}"] = lambda p=path: connect(socket.AF_UNIX, p)
    attempts["abstract socket"] = lambda: connect(socket.AF_UNIX, "\0" + abstract)
    for path in paths:
        attempts[f"read {path}"] = lambda p=path: read(p)
    for path in places:
        attempts[f"write {path}"] = lambda p=path: write(p)
    for spelling in spellings:
        attempts[f"proxy {spelling}"] = lambda s=spelling: through_proxy(*s)
    # leaves without an error either way: the one that must not get it counts
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", udp_port))
    attempts["signal the worker"] = lambda: os.kill(pid, 0)
    attempts["environment of the worker"] = lambda: foreign_environment(secret)
    attempts["files of the worker"] = lambda: bool(os.listdir(f"/proc/{pid}/root/"))
    attempts["see other processes"] = other_processes
    attempts["capabilities"] = effective_capabilities
    # Never where nothing holds: as root, these would do what they say to the machine itself.
    if changes_machine:
        attempts["sudo or su"] = lambda: subprocess.run(["su", "-c", "true"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
        attempts["setuid"] = lambda: os.setuid(0)
        attempts["user namespace"] = lambda: libc.unshare(0x10000000) == 0
        attempts["clone into a user namespace"] = lambda: clone_into_namespace()
        attempts["mount"] = lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
        attempts["chroot"] = lambda: libc.chroot(b"/tmp") == 0
        attempts["ptrace"] = lambda: libc.ptrace(16, 1, 0, 0) == 0
        attempts["io_uring"] = lambda: call(425, 1, ctypes.create_string_buffer(256))
        attempts["bpf"] = lambda: call({"x86_64": 321}.get(os.uname().machine, 280), 0, ctypes.create_string_buffer(128), 128)
        attempts["keyctl"] = lambda: call({"x86_64": 250}.get(os.uname().machine, 219), 0, -3, 0)
        attempts["userfaultfd"] = lambda: call({"x86_64": 323}.get(os.uname().machine, 282), 1)
        attempts["perf_event_open"] = lambda: call({"x86_64": 298}.get(os.uname().machine, 241), ctypes.create_string_buffer(112), 0, -1, -1, 0)
        attempts["memory of no process"] = lambda: os.memfd_create("x") >= 0
        attempts["vsock"] = lambda: socket.socket(40, socket.SOCK_STREAM)
        attempts["kernel crypto"] = lambda: socket.socket(38, socket.SOCK_SEQPACKET)
        attempts["raw socket"] = lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
    worked = []
    for name, attempt in attempts.items():
        try:
            if attempt() is not False:
                worked.append(name)
        except (OSError, ValueError, http.client.HTTPException):
            pass
    return worked


def clone_into_namespace():
    number = {"x86_64": 56}.get(os.uname().machine, 220)
    pid = libc.syscall(number, 0x10000000 | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return pid > 0
