import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Writes the smallest wheel there is into a folder, `headrace-demo` 1.0.0. @returns its path. */
export async function writeWheel(folder: string): Promise<string> {
  await run("/usr/bin/python3", [
    "-c",
    `import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/headrace_demo-1.0.0-py3-none-any.whl", "w") as wheel:
    info = "headrace_demo-1.0.0.dist-info/"
    wheel.writestr("headrace_demo.py", "answer = 42\\n")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: headrace-demo\\nVersion: 1.0.0\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "headrace_demo.py,,\\n" + info + "METADATA,,\\n" + info + "WHEEL,,\\n" + info + "RECORD,,\\n")`,
    folder,
  ]);
  return join(folder, "headrace_demo-1.0.0-py3-none-any.whl");
}

/** The manifest of the same package for npm. */
export const NODE_MANIFEST = { name: "headrace-demo", version: "1.0.0", main: "index.js" };

/** Packs it, with more in its manifest if wanted. @returns the path of the tarball. */
export async function writeNodePackage(folder: string, more: object = {}): Promise<string> {
  const source = join(folder, "source/package");
  await mkdir(source, { recursive: true });
  await writeFile(join(source, "package.json"), JSON.stringify({ ...NODE_MANIFEST, ...more }));
  await writeFile(join(source, "index.js"), "module.exports = { answer: 42 };");
  const tarball = join(folder, "demo.tgz");
  await run("tar", ["-czf", tarball, "-C", join(folder, "source"), "package"]);
  return tarball;
}
