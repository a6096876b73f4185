import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { findInstallerReach } from "./installer-reach.js";

describe("findInstallerReach", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "headrace-reach-"));
    for (const name of ["mirror/simple", "mirror/packages", "wheels"]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("shows the packages beside an index on disk, and a folder of wheels as it is", () => {
    const { paths } = findInstallerReach({
      PIP_EXTRA_INDEX_URL: `${pathToFileURL(join(folder, "mirror/simple"))}/`,
      PIP_FIND_LINKS: join(folder, "wheels"),
    });
    expect(paths).toEqual(expect.arrayContaining([join(folder, "mirror"), join(folder, "wheels")]));
    expect(paths).not.toContain(folder);
  });

  it("never shows a folder at the root, nor what is not there", () => {
    const { paths } = findInstallerReach({
      PIP_FIND_LINKS: "/etc",
      PIP_INDEX_URL: "file:///tmp/no-such/simple",
    });
    expect(paths.filter((path) => path === "/etc" || path.startsWith("/tmp/no-such"))).toEqual([]);
  });

  it("reaches what is named, and the public registries only where nothing is", () => {
    const { hosts } = findInstallerReach({
      PIP_INDEX_URL: "https://packages.example:8443/simple",
      npm_config_registry: "http://npm.example/",
    });
    expect(hosts).toEqual(expect.arrayContaining(["packages.example:8443", "npm.example:80"]));
    expect(hosts).not.toContain("pypi.org:443");
    expect(hosts).not.toContain("registry.npmjs.org:443");
  });
});
