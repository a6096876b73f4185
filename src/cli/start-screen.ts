import { isAbsolute, relative } from "node:path";
import type { Settings } from "../config/settings-schema.js";

/** What the start-up screen tells. */
export interface StartScreen {
  readonly url: string;
  readonly settings: Settings;
  readonly adminEmail: string | undefined;
  readonly passwordFile: string | undefined;
  readonly tokenFile: string;
  readonly logFolder: string;
  /** `embedded PostgreSQL 18.4`, or the server's address. */
  readonly database: string;
  readonly sandbox: { readonly level: string; readonly reasons: readonly string[] } | undefined;
  /** Name of a registered workflow to try. */
  readonly exampleWorkflow: string | undefined;
}

/** The start-up screen: where things are, who signs in, what to try. */
export function renderStartScreen(screen: StartScreen): string {
  const rows: [string, string][] = [
    ["Console", `${screen.url}/`],
    ["API docs", `${screen.url}/docs`],
    ["Queues", `${screen.url}/admin/queues`],
    ["Sign in", describeSignIn(screen)],
    ["Database", screen.database],
    ["Queues on", screen.settings.REDIS_URL ? "Redis" : "PostgreSQL (REDIS_URL moves them to Redis)"],
    ...(screen.sandbox ? ([["Sandbox", screen.sandbox.level]] as [string, string][]) : []),
    ["Logs", here(screen.logFolder)],
  ];
  const reasons = screen.sandbox?.reasons ?? [];
  return [
    "",
    "Headrace is running.",
    "",
    ...rows.map(([name, value]) => `  ${name.padEnd(10)} ${value}`),
    ...reasons.map((reason) => `  ${"".padEnd(10)} ! ${reason}`),
    ...(screen.exampleWorkflow ? howToRun(screen, screen.exampleWorkflow) : []),
    "",
    "Ctrl-C stops everything.",
    "",
  ].join("\n");
}

function describeSignIn(screen: StartScreen): string {
  if (!screen.adminEmail) return "there is no active admin; headrace users create makes one";
  const password = screen.passwordFile
    ? `password in ${here(screen.passwordFile)}`
    : "with the password that you set";
  return `${screen.adminEmail}, ${password}`;
}

function howToRun(screen: StartScreen, workflow: string): string[] {
  return [
    "",
    "Try an example from another terminal:",
    "",
    `  npx headrace run ${workflow} --follow`,
    "",
    `  curl -X POST '${screen.url}/api/v1/workflow-runs?wait=60' \\`,
    `    -H "Authorization: Bearer $(cat ${here(screen.tokenFile)})" \\`,
    `    -H 'Content-Type: application/json' -d '{"workflow":"${workflow}"}'`,
  ];
}

function here(path: string): string {
  const local = relative(process.cwd(), path);
  return local === "" || local.startsWith("..") || isAbsolute(local) ? path : local;
}
