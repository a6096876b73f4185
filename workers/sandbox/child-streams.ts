import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** One output of a child: buffered by the kernel until somebody listens, thrown away if nobody does. */
export interface ChildOutput {
  listen(listener: (chunk: Buffer) => void): void;
  /** Lets data flow that nobody asked for, so that a full pipe never blocks the child or its end. */
  flow(): void;
}

/** The four pipes of a sandboxed child. */
export interface ChildStreams {
  readonly stdin: Writable;
  readonly stdout: ChildOutput;
  readonly stderr: ChildOutput;
  readonly control: ChildOutput;
  flow(): void;
  destroy(): void;
}

/** Wraps the pipes of a child that was spawned with four of them. */
export function openChildStreams(child: ChildProcess): ChildStreams {
  const [stdin, ...readables] = child.stdio as unknown as [Writable, Readable, Readable, Readable];
  // A child that ends before it has read its input breaks the pipe; its exit says what happened.
  stdin.on("error", () => undefined);
  const [stdout, stderr, control] = readables.map(wrapOutput) as [ChildOutput, ChildOutput, ChildOutput];
  const flow = (): void => {
    for (const output of [stdout, stderr, control]) output.flow();
  };
  return {
    stdin,
    stdout,
    stderr,
    control,
    flow,
    destroy() {
      stdin.destroy();
      for (const readable of readables) readable.destroy();
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
    },
    flow() {
      if (!isHeard) readable.resume();
    },
  };
}
