import type { JsonValue } from "../../core/json.js";
import type { ToolContract, ToolListing } from "../../core/tool-contract.js";
import { diffTools, type ToolDiff } from "../../core/tool-diff.js";
import { type ExecutionContext, ExecutionError } from "../types.js";
import type { McpPackageConfig } from "./definition.js";

const SHOWN_CHANGES = 20;
const TOLERATED: Readonly<Record<McpPackageConfig["toolChanges"], readonly ToolDiff["kind"][]>> = {
  refuse: ["none"],
  allowDescriptions: ["none", "description"],
  allowCompatible: ["none", "description", "compatible"],
};

/**
 * Holds the live tools against the version's contract; what the configuration tolerates is noted in the log.
 * @throws ExecutionError `upstream_error` naming what changed
 */
export function assertContract(
  contract: ToolContract,
  live: ToolListing,
  tolerated: McpPackageConfig["toolChanges"],
  emit: Pick<ExecutionContext["emit"], "log">,
): void {
  if (contract.hash === live.hash) return;
  const diff = diffTools(contract.tools, live.tools);
  const lines = diff.changes.map(({ tool, path, message, kind }) => `${tool}${path} ${message} (${kind})`);
  const shown = lines.slice(0, SHOWN_CHANGES).join("; ");
  if (TOLERATED[tolerated].includes(diff.kind)) {
    emit.log("system", `the server's tools have changed since ${contract.at.toISOString()}: ${shown}`);
    return;
  }
  throw new ExecutionError(
    "upstream_error",
    `The server's tools are no longer those of this version: ${shown}. A new version takes them as they are`,
    { retryable: false, details: { change: diff.kind, changes: diff.changes as unknown as JsonValue } },
  );
}
