import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "@jest/globals";
import { readInstallerEnvironment } from "../../src/config/installer-environment.js";
import { createEnvironmentCache } from "../../src/executors/script/environment-cache.js";
import { openAppEnvironment } from "../../src/executors/streamlit/app-environment.js";
import type { ExecutionContext } from "../../src/executors/types.js";
import { createSandbox } from "../../workers/sandbox/create-sandbox.js";

/** Kept between runs: environments with Streamlit take most of a minute to build. */
export const APP_CACHE = join(tmpdir(), "headrace-test-streamlit");

/**
 * A Python that has Streamlit, built once by the code that builds it for apps, from whatever index this machine has;
 * undefined where none has it.
 */
export async function findStreamlit(): Promise<string | undefined> {
  await mkdir(APP_CACHE, { recursive: true, mode: 0o755 });
  const { sandbox } = await createSandbox({ requested: "process", workRoot: join(APP_CACHE, "work") });
  const environments = createEnvironmentCache({
    cacheDir: join(APP_CACHE, "environments"),
    // one try each: an index that is not there is asked about dozens of packages
    installerEnv: { ...readInstallerEnvironment(), PIP_RETRIES: "0" },
  });
  const context = {
    sandbox,
    signal: AbortSignal.timeout(240_000),
    emit: { log: () => undefined },
    timeoutSeconds: 240,
  } as unknown as ExecutionContext;
  try {
    return (await openAppEnvironment({ environments }, [], context)).python;
  } catch (error) {
    if (process.env["TEST_LOG_LEVEL"]) console.error(error);
    return undefined;
  } finally {
    await sandbox.close();
  }
}

/**
 * A `describe` for tests that drive the real Streamlit. No distribution has a package of it, so a machine whose pip
 * reaches no index cannot be given it: there they do not apply, on CI neither.
 */
export function describeStreamlit(python: string | undefined, name: string, body: () => void): void {
  if (python !== undefined) describe(name, body);
  else describe.skip(`${name} – not applicable without an index: python3 -m pip install streamlit`, body);
}
