import { mcpDefinitionRoutes } from "../../src/http/routes/mcp-definitions.js";
import { workflowDefinitionRoutes } from "../../src/http/routes/workflow-definitions.js";
import { createSafeEvaluator } from "../../src/services/expressions/safe-evaluator.js";
import { createMcpRegistry, type McpRegistry } from "../../src/services/mcp-registry/mcp-registry.js";
import {
  createWorkflowDefinitions,
  type WorkflowDefinitions,
} from "../../src/services/workflow-definitions/workflow-definitions.js";
import type { RouteDefinition } from "../../src/http/route.js";
import { startTestServer, type TestServer, type TestServerParts } from "./test-server.js";

/** A test server with the routes of components and workflows. */
export interface DefinitionsServer extends TestServer {
  readonly registry: McpRegistry;
  readonly workflows: WorkflowDefinitions;
  /** Registers a Python component, for workflows to use; answers its first version's id. */
  addMcp(name: string, version?: object): Promise<string>;
}

/** A script that is fit to be stored. */
export const PYTHON_CONFIG = { type: "python_script", code: "def main(**inputs):\n    return inputs\n" };

/** Starts it over a database of its own, with further routes; `close()` ends the evaluator too. */
export async function startDefinitionsServer(
  more: (parts: TestServerParts) => readonly RouteDefinition[] = () => [],
): Promise<DefinitionsServer> {
  const evaluator = createSafeEvaluator();
  let services: { registry: McpRegistry; workflows: WorkflowDefinitions } | undefined;
  const server = await startTestServer({
    routes(parts) {
      const { knex, audit, secrets } = parts;
      const registry = createMcpRegistry({ knex, audit, evaluator, secrets });
      const workflows = createWorkflowDefinitions({ knex, audit, evaluator, secrets, maxSteps: 10_000 });
      services = { registry, workflows };
      return [
        ...mcpDefinitionRoutes({ registry }),
        ...workflowDefinitionRoutes({ workflows }),
        ...more(parts),
      ];
    },
  });
  if (!services) throw new Error("the routes were not made");
  return {
    ...server,
    ...services,
    async addMcp(name, version = {}) {
      const body = {
        name,
        mcpType: "python_script",
        version: { version: "1.0.0", config: PYTHON_CONFIG, ...version },
      };
      const answer = await server.request({ method: "POST", path: "/api/v1/mcp-definitions", body });
      if (answer.status !== 201) throw new Error(answer.text);
      return (answer.body["latestVersion"] as unknown as { id: string } | null)?.id ?? "";
    },
    async close() {
      await server.close();
      await evaluator.close();
    },
  };
}

/** The pointers of a refused request's faults, sorted. */
export function faultPaths(body: { [name: string]: unknown }): string[] {
  return ((body["errors"] ?? []) as { path: string }[]).map((fault) => fault.path).sort();
}
