import {
  Blocks,
  Circle,
  Database,
  Globe,
  Hourglass,
  type LucideIcon,
  UserCheck,
  Workflow,
} from "lucide-react";
import { componentLook } from "../../format/component-types.js";
import type { Schema } from "../mcp-editor/mcp-draft.js";

/** A step that needs no component. */
export interface Builtin {
  readonly name: string;
  readonly label: string;
  readonly description: string;
  readonly icon: LucideIcon;
  readonly inputSchema: Schema | undefined;
}

const text = (description: string) => ({ type: "string", description });

/** Every built-in step, with the inputs that forms and completion offer. */
export const BUILTINS: readonly Builtin[] = [
  {
    ...{ name: "approval", label: "Approval", description: "Waits until a person approves", icon: UserCheck },
    inputSchema: {
      properties: {
        message: text("What the approver reads"),
        form: { type: "object", description: "JSON Schema of values that the approver fills in" },
        approvers: { type: "object", description: "{ roles, users, required }" },
        expiresInSeconds: { type: "number" },
        onExpiry: { enum: ["reject", "approve", "fail"] },
      },
    },
  },
  {
    ...{ name: "wait", label: "Wait", description: "Waits for a span or until a moment", icon: Hourglass },
    inputSchema: {
      properties: { seconds: { type: "number" }, until: text("A moment, as 2026-01-31T09:00:00Z") },
    },
  },
  {
    ...{ name: "http", label: "HTTP request", description: "Calls a URL", icon: Globe },
    inputSchema: {
      properties: {
        url: text("http:// or https://"),
        method: text("GET, POST, …"),
        headers: { type: "object" },
        query: { type: "object" },
        body: {},
        bearerToken: text("Sent as Authorization: Bearer …"),
        expectedStatus: text("Such as 200 or 2xx"),
      },
      required: ["url"],
    },
  },
  {
    ...{ name: "sql", label: "SQL query", description: "Asks an external database", icon: Database },
    inputSchema: {
      properties: {
        connection: text("Name of the database"),
        sql: text("The statement"),
        params: { type: "array" },
        maxRows: { type: "integer" },
        readOnly: { type: "boolean" },
      },
      required: ["connection", "sql"],
    },
  },
  {
    ...{ name: "noop", label: "Nothing", description: "Passes its inputs on", icon: Circle },
    inputSchema: undefined,
  },
];

/** The icon of what a step uses. */
export function iconOf(uses: string, mcpType: string | undefined): LucideIcon {
  if (uses.startsWith("builtin:"))
    return BUILTINS.find(({ name }) => `builtin:${name}` === uses)?.icon ?? Circle;
  if (uses.startsWith("workflow:")) return Workflow;
  return mcpType === undefined ? Blocks : componentLook(mcpType).icon;
}
