import type { Readable, Writable } from "node:stream";

/** One output of a child: buffered by the kernel until somebody listens, thrown away if nobody does. */
export interface ChildOutput {
  listen(listener: (chunk: Buffer) => void): void;
  /** Lets data flow that nobody asked for, so that a full pipe never blocks the child or its end. */
  flow(): void;
}

/** The worker's ends of a child's pipes. */
export interface ChildPipes {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly control: Readable;
}

/** The pipes of a sandboxed child. */
export interface ChildStreams {
  readonly stdin: Writable;
  readonly stdout: ChildOutput;
  readonly stderr: ChildOutput;
  readonly control: ChildOutput;
  flow(): void;
  destroy(): void;
}

/** Wraps the pipes of a child that was just started. */
export function openChildStreams({ stdin, stdout, stderr, control }: ChildPipes): ChildStreams {
  // A child that ends before it has read its input breaks the pipe; its exit says what happened.
  stdin.on("error", () => undefined);
  const outputs = { stdout: wrapOutput(stdout), stderr: wrapOutput(stderr), control: wrapOutput(control) };
  return {
    stdin,
    ...outputs,
    flow() {
      for (const output of Object.values(outputs)) output.flow();
    },
    destroy() {
      for (const pipe of [stdin, stdout, stderr, control]) pipe.destroy();
    },
  };
}

function wrapOutput(readable: Readable): ChildOutput {
  let isHeard = false;
  readable.on("error", () => undefined); // a reset by the child's death; its exit says what happened
  return {
    listen(listener) {
      isHeard = true;
      readable.on("data", listener);
      readable.resume(); // one whose first line was taken off it stands still
    },
    flow() {
      if (!isHeard) readable.resume();
    },
  };
}
