import { setTimeout as sleep } from "node:timers/promises";
import { type RoleProcess, spawnRole } from "../support/spawn-role.js";

type Role = Parameters<typeof spawnRole>[0];

/** A process of Headrace that is started again whenever it has ended, as a supervisor does. */
export class KeptRole {
  readonly name: string;
  /** The process that is ready now. */
  current: RoleProcess | undefined;
  /** Times that it ended although nobody had killed it: it gave up by itself. */
  readonly gaveUp: string[] = [];
  /** Processes that were ready once. */
  starts = 0;
  readonly #role: Role;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #args: readonly string[];
  #isWanted = true;
  #isStruck = false;
  #keeping: Promise<void> | undefined;

  constructor(
    name: string,
    role: Role,
    environment: Readonly<Record<string, string>>,
    args: readonly string[] = [],
  ) {
    this.name = name;
    this.#role = role;
    this.#environment = environment;
    this.#args = args;
  }

  /** Starts it; resolves when it is ready for the first time. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#keeping = this.#keep(resolve);
    });
  }

  /** A signal that ends the process, or that it is stopped and continued with. */
  strike(signal: NodeJS.Signals): void {
    if (signal === "SIGKILL" || signal === "SIGTERM") this.#isStruck = true;
    this.current?.signal(signal);
  }

  /** Ends it for good. */
  async end(): Promise<void> {
    this.#isWanted = false;
    this.#isStruck = true;
    this.current?.signal("SIGCONT");
    await this.current?.kill();
    await this.#keeping;
  }

  async #keep(onReady: () => void): Promise<void> {
    while (this.#isWanted) {
      const process = await spawnRole(this.#role, this.#environment, { args: this.#args }).catch(
        () => undefined,
      );
      if (!process) {
        // the database or the queue is away: it does not start without
        await sleep(200);
        continue;
      }
      this.#isStruck = false;
      this.current = process;
      this.starts += 1;
      if (!this.#isWanted) await process.kill();
      onReady();
      const code = await process.ended;
      this.current = undefined;
      if (!this.#isStruck)
        this.gaveUp.push(`${this.name} ended by itself (${code}): ${lastLine(process.output())}`);
    }
  }
}

function lastLine(output: string): string {
  return output.trim().split("\n").at(-1)?.slice(0, 500) ?? "";
}
