import { describe, expect, it } from "@jest/globals";
import { createRunningJobs } from "./running-jobs.js";

/** A job that ends when told to, and keeps its signal. */
function holdJob(running: ReturnType<typeof createRunningJobs>, id: string) {
  let end = (): void => undefined;
  let seen: AbortSignal | undefined;
  const done = running.track(id, async (signal) => {
    seen = signal;
    await new Promise<void>((resolve) => {
      end = resolve;
    });
  });
  return { done, end: () => end(), signal: () => seen as AbortSignal };
}

describe("running jobs", () => {
  it("counts what runs, and waits for its end", async () => {
    const running = createRunningJobs();
    const [one, other] = [holdJob(running, "a"), holdJob(running, "b")];
    expect(running.count()).toBe(2);
    expect(await running.waitIdle(10)).toBe(false);
    const idle = running.waitIdle(5000);
    one.end();
    other.end();
    expect(await idle).toBe(true);
    expect(running.count()).toBe(0);
    expect(await running.waitIdle(0)).toBe(true);
  });

  it("counts a job that throws as ended, and passes its error on", async () => {
    const running = createRunningJobs();
    const failing = running.track("a", async () => {
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(running.count()).toBe(0);
  });

  it("aborts one job, or all", () => {
    const running = createRunningJobs();
    const [one, other] = [holdJob(running, "a"), holdJob(running, "b")];
    running.abort("a", "lock lost");
    running.abort("unknown", "lock lost");
    expect(one.signal().reason).toEqual(new Error("lock lost"));
    expect(other.signal().aborted).toBe(false);
    running.abortAll("the worker stops");
    expect(other.signal().reason).toEqual(new Error("the worker stops"));
  });

  it("takes the same job coming again as the sign that the older one lost its lock", async () => {
    const running = createRunningJobs();
    const older = holdJob(running, "a");
    const newer = holdJob(running, "a");
    expect(older.signal().aborted).toBe(true);
    expect(newer.signal().aborted).toBe(false);
    older.end();
    await older.done;
    running.abort("a", "lock lost");
    expect(newer.signal().aborted).toBe(true);
    expect(running.count()).toBe(1);
  });
});
