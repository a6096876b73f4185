import { type ChildProcess, spawn } from "node:child_process";

/** A process beside the worker that ends user code should the worker die without doing so itself. */
export interface Guardian {
  /** Also ends every process with this user id, which belongs to the worker's executions alone. */
  coverUserId(uid: number): void;
  /** Dismisses it: the worker leaves in good order. */
  close(): Promise<void>;
}

/** What the guardian is told to look for, and whom to tell when it cannot work. */
export interface GuardianOptions {
  /** Beginning of the marker that all executions of this worker carry in their environment. */
  readonly markerPrefix: string;
  readonly warn: (message: string) => void;
}

/**
 * Waits on its standard input, which the kernel closes when the worker is gone, however it went. A shell, since
 * it costs a megabyte where another Node.js would cost forty. Strays that left their group and session are found by
 * the marker in their environment and by user id; passes are repeated since a process may fork between two looks.
 */
const SCRIPT = `
trap '' HUP INT TERM
uids=" "
while read -r verb value; do
  case "$verb" in
    uid) uids="$uids$value " ;;
    close) exit 0 ;;
  esac
done
pass=0
while [ $pass -lt 100 ]; do
  found=
  for file in $(grep -l -F "$1" /proc/[0-9]*/environ 2>/dev/null); do
    pid=\${file#/proc/}
    kill -9 "\${pid%/environ}" 2>/dev/null && found=1
  done
  if [ "$uids" != " " ]; then
    for line in $(stat -c '%u:%n' /proc/[0-9]* 2>/dev/null); do
      case "$uids" in
        *" \${line%%:*} "*)
          # the id is free again since the worker died: another worker's execution may have it by now
          grep -q -F "$2" "/proc/\${line##*/}/environ" 2>/dev/null && continue
          kill -9 "\${line##*/}" 2>/dev/null && found=1 ;;
      esac
    done
  fi
  [ -z "$found" ] && exit 0
  pass=$((pass + 1))
  sleep 0.02
done
`;

/** Begins the marker of every execution of any worker. */
const ANY_MARKER = "HEADRACE_EXECUTION=";
const RESTART_LIMIT = 5;

/** Starts the guardian; one that is killed is replaced, and told again what it covered. */
export function startGuardian({ markerPrefix, warn }: GuardianOptions): Guardian {
  const uids = new Set<number>();
  let restartCount = 0;
  let isClosing = false;
  let child = launch();

  function launch(): ChildProcess {
    const started = spawn("/bin/sh", ["-c", SCRIPT, "headrace-guardian", markerPrefix, ANY_MARKER], {
      // A session of its own: a signal to the worker's group must not take the guardian with it.
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
      cwd: "/",
    });
    started.once("error", (error) => lose(error.message));
    started.once("exit", () => lose("it ended"));
    started.stdin?.on("error", () => undefined); // its exit is handled above
    started.unref();
    (started.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    for (const uid of uids) started.stdin?.write(`uid ${uid}\n`);
    return started;
  }

  function lose(why: string): void {
    if (isClosing) return;
    restartCount += 1;
    if (restartCount > RESTART_LIMIT) {
      warn(
        `The sandbox's guardian cannot be kept running (${why}): if this worker is killed, user code outlives it`,
      );
      return;
    }
    child = launch();
  }

  return {
    coverUserId(uid) {
      if (uids.has(uid)) return;
      uids.add(uid);
      child.stdin?.write(`uid ${uid}\n`);
    },
    async close() {
      isClosing = true;
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.ref();
      child.stdin?.end("close\n");
      const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
