import { describe, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { type Admission, ExecutionGate } from "./execution-gate.js";

/** Notes who is inside, and leaves when told. */
function openGate(timings: ConstructorParameters<typeof ExecutionGate>[0] = {}) {
  const gate = new ExecutionGate(timings);
  const inside = new Set<string>();
  const leaves = new Map<string, () => void>();
  return {
    gate,
    inside,
    async enter(name: string, isAlone = false, signal?: AbortSignal): Promise<Admission> {
      const admission = await gate.enter(isAlone, signal);
      if (admission.backInMs !== undefined) return admission;
      inside.add(name);
      leaves.set(name, admission.leave);
      return admission;
    },
    async leave(name: string): Promise<void> {
      inside.delete(name);
      leaves.get(name)?.();
      await sleep(0);
    },
  };
}

describe("the gate of executions", () => {
  it("lets everyone in as long as nobody has to be alone", async () => {
    const { enter, inside, gate } = openGate();
    await Promise.all(["a", "b", "c"].map((name) => enter(name)));
    expect([...inside]).toEqual(["a", "b", "c"]);
    expect(gate.isShut).toBe(false);
  });

  it("keeps one that has to be alone until the others have left, and lets nobody in before it has left", async () => {
    const { enter, leave, inside, gate } = openGate();
    await Promise.all([enter("a"), enter("b")]);
    const entries = [enter("suspect", true), enter("late")];
    await leave("a");
    expect([...inside]).toEqual(["b"]);
    expect(gate.isShut).toBe(true);
    await leave("b");
    expect([...inside]).toEqual(["suspect"]);
    await leave("suspect");
    expect([...inside]).toEqual(["late"]);
    expect(gate.isShut).toBe(false);
    await Promise.all(entries);
  });

  it("lets two that have to be alone take turns, with who came between them in between", async () => {
    const { enter, leave, inside } = openGate();
    const entries = [enter("one", true), enter("between"), enter("two", true), enter("last")];
    await sleep(0);
    expect([...inside]).toEqual(["one"]);
    await leave("one");
    expect([...inside]).toEqual(["between"]);
    await leave("between");
    expect([...inside]).toEqual(["two"]);
    await leave("two");
    expect([...inside]).toEqual(["last"]);
    await Promise.all(entries);
  });

  it("sends away who finds it shut for too long, and stays shut for the one inside", async () => {
    const { enter, inside, gate } = openGate({ patienceMs: 20, backInMs: 7 });
    await enter("suspect", true);
    expect(await enter("other")).toEqual({ backInMs: 7 });
    expect(await enter("second suspect", true)).toEqual({ backInMs: 7 });
    expect([...inside]).toEqual(["suspect"]);
    expect(gate.isShut).toBe(true);
  });

  it("opens again when the others do not end in time", async () => {
    const { enter, inside, gate } = openGate({ patienceMs: 5000, emptyWithinMs: 30, backAfterVainMs: 99 });
    await enter("long");
    const suspect = enter("suspect", true);
    const waiting = enter("waiting");
    expect(await suspect).toEqual({ backInMs: 99 });
    await waiting;
    expect([...inside]).toEqual(["long", "waiting"]);
    expect(gate.isShut).toBe(false);
  });

  it("counts the time for the others to end from when a suspect's turn has come", async () => {
    const { enter, leave, inside } = openGate({ patienceMs: 5000, emptyWithinMs: 60, backAfterVainMs: 99 });
    await enter("one", true);
    const between = enter("between");
    const two = enter("two", true);
    await sleep(100);
    await leave("one");
    await between;
    expect(await two).toEqual({ backInMs: 99 });
    expect([...inside]).toEqual(["between"]);
  });

  it("listens to an abort, before and behind the one whose turn it is", async () => {
    const { enter, inside, gate } = openGate();
    await enter("long");
    const first = new AbortController();
    const second = new AbortController();
    const entries = [enter("one", true, first.signal), enter("two", true, second.signal), enter("late")];
    second.abort();
    first.abort();
    expect((await entries[1])?.backInMs).toBeDefined();
    expect((await entries[0])?.backInMs).toBeDefined();
    await entries[2];
    expect([...inside]).toEqual(["long", "late"]);
    expect(gate.isShut).toBe(false);
    expect((await enter("gone", true, AbortSignal.abort())).backInMs).toBeDefined();
    expect(gate.isShut).toBe(false);
  });

  it("sends everyone away once it is closed, and lets those inside leave", async () => {
    const { enter, leave, gate } = openGate();
    await enter("long");
    const entries = [enter("suspect", true), enter("late")];
    gate.close();
    for (const entry of entries) expect((await entry).backInMs).toBeDefined();
    expect((await enter("after")).backInMs).toBeDefined();
    await leave("long");
    expect(gate.isShut).toBe(true);
  });

  it("does not mind that somebody leaves twice", async () => {
    const { gate, inside, enter } = openGate();
    const admission = await gate.enter(false);
    await enter("b");
    if (admission.backInMs !== undefined) throw new Error("not let in");
    admission.leave();
    admission.leave();
    const suspect = enter("suspect", true);
    await sleep(5);
    expect([...inside]).toEqual(["b"]);
    gate.close();
    await suspect;
  });
});
