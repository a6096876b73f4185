/** A processor architecture as seccomp sees it. */
export interface SyscallTable {
  /** `AUDIT_ARCH_*`: what the kernel puts into the filter's data. */
  readonly auditArchitecture: number;
  /** First number of another calling convention of the same architecture (x32), which nothing here may use. */
  readonly foreignFrom?: number;
  readonly numbers: Readonly<Record<string, number>>;
}

/**
 * Calls that no step needs and that have led out of sandboxes, or around their limits: other processes' memory, keys,
 * kernel programs and rings, mounts and namespaces, modules, clocks. A name that a table lacks does not exist there.
 */
export const DENIED_SYSCALLS = [
  ...["ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"],
  ...["keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd"],
  ...["io_uring_setup", "io_uring_enter", "io_uring_register"],
  ...["kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"],
  ...["mount", "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig"],
  ...["fsmount", "fspick", "mount_setattr", "chroot", "unshare", "setns", "swapon", "swapoff", "reboot"],
  ...["sethostname", "setdomainname", "acct", "quotactl", "quotactl_fd", "syslog", "vhangup"],
  ...["settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "iopl", "ioperm", "modify_ldt"],
  ...["name_to_handle_at", "open_by_handle_at", "fanotify_init", "move_pages", "migrate_pages"],
  ...["lookup_dcookie", "nfsservctl", "uselib"],
] as const;

/**
 * Answered as if the kernel were too old for them. `clone3` hides its flags from filters; libraries fall back to `clone`.
 * The others make memory that belongs to no process, and so to no step when memory is counted.
 */
export const ABSENT_SYSCALLS = ["clone3", "memfd_create", "memfd_secret", "shmget"] as const;

/** Numbers that x86-64 and arm64 share: all calls since Linux 5.1. */
const COMMON = {
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  clone3: 435,
  pidfd_getfd: 438,
  process_madvise: 440,
  mount_setattr: 442,
  quotactl_fd: 443,
  memfd_secret: 447,
  open_tree_attr: 467,
} as const;

const X86_64: SyscallTable = {
  auditArchitecture: 0xc000003e,
  foreignFrom: 0x40000000,
  numbers: {
    ...COMMON,
    ...{ ioctl: 16, shmget: 29, socket: 41, clone: 56, ptrace: 101, syslog: 103, uselib: 134, vhangup: 153 },
    ...{ modify_ldt: 154, pivot_root: 155, adjtimex: 159, chroot: 161, acct: 163, settimeofday: 164 },
    ...{ mount: 165, umount2: 166, swapon: 167, swapoff: 168, reboot: 169, sethostname: 170 },
    ...{ setdomainname: 171, iopl: 172, ioperm: 173, init_module: 175, delete_module: 176, quotactl: 179 },
    ...{ nfsservctl: 180, lookup_dcookie: 212, clock_settime: 227, kexec_load: 246, add_key: 248 },
    ...{ request_key: 249, keyctl: 250, migrate_pages: 256, unshare: 272, move_pages: 279 },
    ...{ perf_event_open: 298, fanotify_init: 300, name_to_handle_at: 303, open_by_handle_at: 304 },
    ...{ clock_adjtime: 305, setns: 308, process_vm_readv: 310, process_vm_writev: 311, kcmp: 312 },
    ...{ finit_module: 313, memfd_create: 319, kexec_file_load: 320, bpf: 321, userfaultfd: 323 },
  },
};

const ARM64: SyscallTable = {
  auditArchitecture: 0xc00000b7,
  numbers: {
    ...COMMON,
    ...{ lookup_dcookie: 18, ioctl: 29, umount2: 39, mount: 40, pivot_root: 41, nfsservctl: 42, chroot: 51 },
    ...{ vhangup: 58, quotactl: 60, acct: 89, unshare: 97, kexec_load: 104, init_module: 105 },
    ...{ delete_module: 106, clock_settime: 112, syslog: 116, ptrace: 117, reboot: 142, sethostname: 161 },
    ...{ setdomainname: 162, settimeofday: 170, adjtimex: 171, shmget: 194, socket: 198, add_key: 217 },
    ...{ request_key: 218, keyctl: 219, clone: 220, swapon: 224, swapoff: 225, migrate_pages: 238 },
    ...{ move_pages: 239, perf_event_open: 241, fanotify_init: 262, name_to_handle_at: 264 },
    ...{ open_by_handle_at: 265, clock_adjtime: 266, setns: 268, process_vm_readv: 270 },
    ...{ process_vm_writev: 271, kcmp: 272, finit_module: 273, memfd_create: 279, bpf: 280 },
    ...{ userfaultfd: 282, kexec_file_load: 294 },
  },
};

/** The table of an architecture as `process.arch` names it; undefined for those without one. */
export function findSyscallTable(architecture: string): SyscallTable | undefined {
  return { x64: X86_64, arm64: ARM64 }[architecture];
}
