import { canRole, type Permission, ROLES } from "../../src/core/permissions.js";

/** One operation of the API, as its OpenAPI document tells. */
export interface Operation {
  readonly method: string;
  /** `/api/v1/users/{id}`. */
  readonly path: string;
  /** `public`, `authenticated`, or a permission. */
  readonly permission: string;
  readonly takesBody: boolean;
}

interface OpenApiOperation {
  readonly "x-permission"?: string;
  readonly requestBody?: unknown;
}

/** The operations of an OpenAPI document, in the order of their paths. */
export function listOperations(document: unknown): Operation[] {
  const { paths } = document as { paths: Record<string, Record<string, OpenApiOperation>> };
  return Object.entries(paths)
    .flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        permission: operation["x-permission"] ?? "public",
        takesBody: operation.requestBody !== undefined,
      })),
    )
    .sort((one, other) => (`${one.path} ${one.method}` < `${other.path} ${other.method}` ? -1 : 1));
}

/** Whether a role may call an operation. */
export function mayCall(role: (typeof ROLES)[number], { permission }: Operation): boolean {
  return permission === "public" || permission === "authenticated" || canRole(role, permission as Permission);
}

const HEAD = `# Who may call what

Made by \`npm run access-matrix\` from the route table; a test fails when it is out of date, and calls every line of it as
every role. What a role may do beyond reading stands in \`src/core/permissions.ts\`; an API key has the weaker one of its
own and its owner's role, and may be narrowed further by scopes ([sign-in](guides/sign-in.md)).

Nobody: without a token. Some answers also depend on what is asked for: other people's API keys are absent (404) for all
but admins, a draft is run by those alone who may change workflows, and an approval may name who decides.

Beside these: \`/admin/queues\` (Bull Board, read-only) needs \`queue:read\`, \`/apps/{id}/\` needs \`app:read\` and, to send
something back to a step that waits, \`run:approve\`; the pages at \`/\`, \`/sign-in\`, \`/docs\` and their files are public.
`;

/** The page \`docs/access-matrix.md\`. */
export function renderAccessMatrix(operations: readonly Operation[]): string {
  const head = ["call", "needs", "nobody", ...ROLES];
  const rows = operations.map((operation) => {
    const { method, path, permission } = operation;
    const nobody = permission === "public" ? "yes" : "–";
    const roles = ROLES.map((role) => (mayCall(role, operation) ? "yes" : "–"));
    return [`\`${method} ${path}\``, permission, nobody, ...roles];
  });
  const table = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `${HEAD}\n${table.join("\n")}\n`;
}
