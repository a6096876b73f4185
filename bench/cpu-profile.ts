import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.int(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.int() }),
    }),
  ),
  samples: z.array(z.int()),
  timeDeltas: z.array(z.number()),
});

/** A profile as V8's profiler writes it, as far as it is used here. */
export type CpuProfile = z.infer<typeof profileSchema>;

/** A function's own time, without what it called. */
export interface SelfTime {
  readonly name: string;
  readonly place: string;
  readonly ms: number;
  /** Of the busy time, idle left out. */
  readonly share: number;
}

/** The profile that `--cpu-prof` left in a folder. @throws Error when there is none. */
export function readCpuProfile(folder: string): CpuProfile {
  const name = readdirSync(folder).find((file) => file.endsWith(".cpuprofile"));
  if (name === undefined) throw new Error(`there is no profile in ${folder}`);
  return parseCpuProfile(JSON.parse(readFileSync(join(folder, name), "utf8")));
}

/** Checks a profile. @throws ZodError when it is none. */
export function parseCpuProfile(value: unknown): CpuProfile {
  return profileSchema.parse(value);
}

/** The functions with most self time, heaviest first; functions of one name and line are one. */
export function heaviestFunctions(profile: CpuProfile, count: number): SelfTime[] {
  return heaviest(profile, count, (frame) => ({
    name: frame.functionName || "(anonymous)",
    place: placeOf(frame),
  }));
}

/** The same by package or folder: which library the time goes to. */
export function heaviestPackages(profile: CpuProfile, count: number): SelfTime[] {
  return heaviest(profile, count, (frame) => ({ name: packageOf(frame), place: "" }));
}

type Frame = CpuProfile["nodes"][number]["callFrame"];

function heaviest(
  profile: CpuProfile,
  count: number,
  keyOf: (frame: Frame) => { name: string; place: string },
): SelfTime[] {
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const totals = new Map<string, { name: string; place: string; micros: number }>();
  let busyMicros = 0;
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id);
    if (!frame || frame.functionName === "(idle)") continue;
    // the first delta leads up to the first sample: each sample's time is the delta after it
    const micros = profile.timeDeltas[index + 1] ?? 0;
    const { name, place } = keyOf(frame);
    const total = totals.get(`${name}@${place}`) ?? { name, place, micros: 0 };
    total.micros += micros;
    busyMicros += micros;
    totals.set(`${name}@${place}`, total);
  }
  return [...totals.values()]
    .sort((one, other) => other.micros - one.micros)
    .slice(0, count)
    .map(({ name, place, micros }) => ({ name, place, ms: micros / 1000, share: micros / busyMicros }));
}

function placeOf(frame: Frame): string {
  if (frame.url === "") return "";
  const path = frame.url.replace(/^file:\/\//, "");
  const short = path.replace(/^.*\/node_modules\//, "").replace(/^.*\/dist\/(?=src|workers|bench)/, "");
  return `${short}:${frame.lineNumber + 1}`;
}

function packageOf(frame: Frame): string {
  if (frame.url === "") return frame.functionName.startsWith("(") ? frame.functionName : "(native)";
  if (frame.url.startsWith("node:")) return "node";
  const inModules = /^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(frame.url);
  if (inModules?.[1]) return inModules[1];
  return /\/dist\/((?:src|workers)\/[^/]+|bench)/.exec(frame.url)?.[1] ?? frame.url;
}
