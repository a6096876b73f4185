/**
 * Every path that the console has a page at. The build hands the list to the API, which serves the console at exactly
 * these paths and at no other: a page that is missing here answers 404 when it is reloaded.
 */
export const PAGE_PATHS = {
  home: "/",
  signIn: "/sign-in",
  runs: "/runs",
  run: "/runs/:id",
  workflows: "/workflows",
  workflow: "/workflows/:id",
  editWorkflow: "/workflows/:id/edit",
  createWorkflow: "/create/workflow",
  mcps: "/mcps",
  mcp: "/mcps/:id",
  editMcp: "/mcps/:id/edit",
  createMcp: "/create/component",
  databases: "/settings/databases",
  database: "/settings/databases/:id",
  secrets: "/settings/secrets",
  models: "/settings/models",
  apiKeys: "/settings/api-keys",
  users: "/settings/users",
  audit: "/settings/audit",
  system: "/settings/system",
  account: "/settings/account",
} as const;

/** The path of a run's page. */
export function runPath(id: string): string {
  return `/runs/${encodeURIComponent(id)}`;
}

/** The path of a workflow's page; it may be named by name or id. */
export function workflowPath(nameOrId: string): string {
  return `/workflows/${encodeURIComponent(nameOrId)}`;
}

/** The path of a component's page; it may be named by name or id. */
export function mcpPath(nameOrId: string): string {
  return `/mcps/${encodeURIComponent(nameOrId)}`;
}

/** The path of a database's page. */
export function databasePath(id: string): string {
  return `/settings/databases/${encodeURIComponent(id)}`;
}

/** The list of runs, with filters as its page reads them from the URL. */
export function runsPath(filters: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams(filters).toString();
  return query === "" ? PAGE_PATHS.runs : `${PAGE_PATHS.runs}?${query}`;
}
