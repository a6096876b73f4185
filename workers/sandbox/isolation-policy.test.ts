import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { buildBubblewrapArgs, encodeBubblewrapArgs } from "./bubblewrap-args.js";
import { createIsolationPolicy, findInterpreterPaths, listStepMounts } from "./isolation-policy.js";

const root = mkdtempSync(join(tmpdir(), "headrace-policy-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function makeFile(path: string): string {
  const file = join(root, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, "");
  return file;
}

describe("isolation policy", () => {
  const policy = createIsolationPolicy();
  const view = { command: "/bin/sh", workdir: "/srv/work/1", readOnlyPaths: [] };

  it("shows no accounts, no names of the network and no other folder of the machine", () => {
    const paths = policy.mounts.map(({ path }) => path);
    for (const path of [
      "/",
      "/etc",
      "/etc/passwd",
      "/etc/shadow",
      "/etc/hosts",
      "/home",
      "/root",
      "/var",
      "/run",
      "/sys",
    ])
      expect(paths).not.toContain(path);
  });

  it("lets a step write to its folder and to what is small and its own", () => {
    const mounts = listStepMounts(policy, view);
    expect(mounts.filter(({ kind }) => kind === "writable")).toEqual([
      { kind: "writable", path: view.workdir },
    ]);
    expect(mounts.at(-1)).toEqual({ kind: "sealed", path: "/" });
    for (const mount of mounts)
      if (mount.kind === "empty") expect(mount.sizeBytes).toBeLessThanOrEqual(64 * 1024 ** 2);
  });

  it("covers what is hidden inside the system's folders, and still shows what is asked for there", () => {
    const hidden = "/usr/lib";
    const covering = createIsolationPolicy({ hidden: [hidden, "/srv/elsewhere"] });
    expect(covering.mounts).toContainEqual({ kind: "empty", path: hidden, sizeBytes: 4_096 });
    expect(covering.mounts.map(({ path }) => path)).not.toContain("/srv/elsewhere");
    const mounts = listStepMounts(covering, { ...view, readOnlyPaths: ["/usr/lib/os-release"] });
    expect(mounts).toContainEqual({ kind: "readOnly", path: "/usr/lib/os-release" });
  });

  it("finds an interpreter's installation behind its links", () => {
    makeFile("versions/3/lib/os.py");
    const real = makeFile("versions/3/bin/python3.12");
    mkdirSync(join(root, "venv/bin"), { recursive: true });
    mkdirSync(join(root, "venv/lib"));
    symlinkSync(real, join(root, "venv/bin/python"));
    expect(findInterpreterPaths(join(root, "venv/bin/python"))).toEqual([
      join(root, "venv"),
      join(root, "versions/3"),
    ]);
  });

  it("is led to no other folder by a path or a link that goes up", () => {
    makeFile("lib/x");
    const tool = makeFile("bin/tool");
    mkdirSync(join(root, "opt"));
    symlinkSync(`${root}/opt/../../../usr/../bin/sh`, join(root, "opt/sly"));
    // the root of the machine has a lib and a bin too
    expect(findInterpreterPaths("/usr/../bin/sh")).not.toContain("/usr/..");
    expect(findInterpreterPaths("/tmp/../bin/sh")).not.toContain("/tmp/..");
    expect(findInterpreterPaths(`${root}/opt/../bin/tool`)).toEqual([root]);
    expect(findInterpreterPaths(tool)).toEqual([root]);
    const shown = findInterpreterPaths(join(root, "opt/sly"));
    for (const path of shown) expect(path).not.toMatch(/\.\.|^\/$/);
    const mounts = listStepMounts(policy, { ...view, command: "/tmp/../bin/sh" });
    for (const { path } of mounts.slice(0, -1)) expect(path).not.toMatch(/\.\.|^\/$/);
  });

  it("never takes a person's home for an installation", () => {
    makeFile("home/lib/x");
    makeFile("home/.profile");
    const tool = makeFile("home/bin/tool");
    expect(findInterpreterPaths(tool)).toEqual([tool]);
  });

  it("gives bubblewrap no option of a user's", () => {
    const args = buildBubblewrapArgs(
      policy,
      { ...view, env: { A: "--share-net" } },
      { canDisableUserNamespaces: true },
    );
    expect(args.slice(-3)).toEqual(["--setenv", "A", "--share-net"]);
    expect(() => encodeBubblewrapArgs([...args, "x\0--share-net"])).toThrow(/NUL/);
  });
});
