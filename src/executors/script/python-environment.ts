import { join } from "node:path";
import type { RunInstaller } from "./installer.js";

/**
 * A virtual environment with the requirements, wheels only: a source package would run its author's code on the
 * worker while it is installed.
 */
export async function buildPythonEnvironment(options: {
  readonly python: string;
  readonly folder: string;
  readonly requirements: readonly string[];
  readonly install: RunInstaller;
}): Promise<void> {
  const { python, folder, requirements, install } = options;
  await install({ name: "python -m venv", command: python, args: ["-I", "-m", "venv", folder] });
  await install({
    name: "pip install",
    command: join(folder, "bin/python"),
    args: [
      "-m",
      "pip",
      "install",
      "--disable-pip-version-check",
      "--no-input",
      "--only-binary=:all:",
      "--progress-bar=off",
      "--",
      ...requirements,
    ],
  });
}
