import { type IsolationPolicy, listStepMounts, type Mount, type StepView } from "./isolation-policy.js";

/** One command as bubblewrap is told of it. */
export interface BubblewrapStep extends StepView {
  readonly env: Readonly<Record<string, string>>;
  /** Descriptors that bubblewrap reads from: the seccomp program, and a byte that lets the command begin. */
  readonly seccompFd?: number;
  readonly blockFd?: number;
  /** Descriptor on which bubblewrap names its child. */
  readonly infoFd?: number;
}

/** What the installed bubblewrap can do beyond its oldest versions. */
export interface BubblewrapFeatures {
  readonly canDisableUserNamespaces: boolean;
}

/**
 * Options for `bwrap --args`, without the command. The environment is among them rather than bubblewrap's own: it would
 * steer bubblewrap itself, and as an argument of the program every user of the machine could read it.
 */
export function buildBubblewrapArgs(
  policy: IsolationPolicy,
  step: BubblewrapStep,
  features: BubblewrapFeatures,
): string[] {
  return [
    ...["--unshare-all", "--unshare-user"],
    ...(features.canDisableUserNamespaces ? ["--disable-userns"] : []),
    ...["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", policy.hostname],
    ...listStepMounts(policy, step).flatMap(toArgs),
    ...["--chdir", step.workdir, "--clearenv"],
    ...Object.entries(step.env).flatMap(([name, value]) => ["--setenv", name, value]),
    ...toDescriptorArgs(step),
  ];
}

/**
 * As bubblewrap reads options from a descriptor: each ended by NUL.
 * @throws Error for one that holds a NUL: what follows it would be options of a user's own.
 */
export function encodeBubblewrapArgs(args: readonly string[]): Buffer {
  if (args.some((arg) => arg.includes("\0"))) throw new Error("A sandbox option holds a NUL");
  return Buffer.from(args.map((arg) => `${arg}\0`).join(""));
}

function toDescriptorArgs({ seccompFd, blockFd, infoFd }: BubblewrapStep): string[] {
  const options = { "--seccomp": seccompFd, "--block-fd": blockFd, "--info-fd": infoFd };
  return Object.entries(options).flatMap(([name, fd]) => (fd === undefined ? [] : [name, String(fd)]));
}

function toArgs(mount: Mount): string[] {
  switch (mount.kind) {
    case "readOnly":
      return ["--ro-bind", mount.source ?? mount.path, mount.path];
    case "writable":
      return ["--bind", mount.path, mount.path];
    case "symlink":
      return ["--symlink", mount.target, mount.path];
    case "empty":
      return ["--size", String(mount.sizeBytes), "--tmpfs", mount.path];
    case "proc":
    case "dev":
      return [`--${mount.kind}`, mount.path];
    case "sealed":
      return ["--remount-ro", mount.path];
  }
}
