import { expect, test } from "@jest/globals";
import { heaviestFunctions, heaviestPackages, parseCpuProfile } from "./cpu-profile.js";

const frame = (functionName: string, url: string, lineNumber = 0) => ({ functionName, url, lineNumber });

const profile = parseCpuProfile({
  nodes: [
    { id: 1, callFrame: frame("(idle)", "") },
    { id: 2, callFrame: frame("flush", "file:///here/dist/src/services/engine/group-commit.js", 9) },
    { id: 3, callFrame: frame("parse", "file:///here/node_modules/pg-protocol/dist/parser.js", 4) },
    // the same function, called from elsewhere
    { id: 4, callFrame: frame("flush", "file:///here/dist/src/services/engine/group-commit.js", 9) },
  ],
  samples: [1, 2, 3, 4, 1],
  timeDeltas: [100, 50_000, 2000, 1000, 4000, 7000],
});

test("self time is added up by function, without idle time", () => {
  expect(heaviestFunctions(profile, 15)).toEqual([
    { name: "flush", place: "src/services/engine/group-commit.js:10", ms: 6, share: 6 / 7 },
    { name: "parse", place: "pg-protocol/dist/parser.js:5", ms: 1, share: 1 / 7 },
  ]);
});

test("and by package", () => {
  expect(heaviestPackages(profile, 1).map(({ name, ms }) => [name, ms])).toEqual([["src/services", 6]]);
});
