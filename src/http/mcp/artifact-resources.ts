import {
  ErrorCode,
  McpError,
  type ReadResourceResult,
  type ResourceTemplate,
} from "@modelcontextprotocol/sdk/types.js";
import { isUuid } from "../../core/ids.js";
import type { ArtifactStore } from "../../services/artifacts/artifact-store.js";
import type { RunQueries } from "../../services/runs/run-queries.js";
import { ARTIFACT_URI, OUTPUT_URI } from "./tool-results.js";

/** Whole files go into one message, so they may not be larger. */
const MOST_BYTES = 4 * 1024 * 1024;

/** What a read of artifacts needs. */
export interface ArtifactReads {
  readonly artifacts: Pick<ArtifactStore, "open">;
  readonly queries: Pick<RunQueries, "get">;
}

/** The kinds of resources there are; a list of them all would be as long as history. */
export const RESOURCE_TEMPLATES: ResourceTemplate[] = [
  {
    uriTemplate: `${ARTIFACT_URI}{id}`,
    name: "artifact",
    description: "A file that a step has left, or an output too large for an answer.",
  },
  {
    uriTemplate: `${OUTPUT_URI}{id}/output`,
    name: "run output",
    description: "The whole output of a run, as JSON.",
    mimeType: "application/json",
  },
];

/** Reads a resource. @throws McpError for what is no resource of ours or is too large; AppError NOT_FOUND */
export async function readResource(deps: ArtifactReads, uri: string): Promise<ReadResourceResult> {
  const run = uri.startsWith(OUTPUT_URI)
    ? /^([0-9a-f-]{36})\/output$/i.exec(uri.slice(OUTPUT_URI.length))
    : null;
  if (run?.[1]) {
    const { output } = await deps.queries.get(run[1]);
    return { contents: [{ uri, mimeType: "application/json", text: JSON.stringify(output) }] };
  }
  const id = uri.startsWith(ARTIFACT_URI) ? uri.slice(ARTIFACT_URI.length) : "";
  if (!isUuid(id)) throw new McpError(RESOURCE_NOT_FOUND, "There is no such resource", { uri });
  return { contents: [await readArtifact(deps, id, uri)] };
}

const RESOURCE_NOT_FOUND = -32_002;

/** One artifact: text as text, other bytes in Base64. @throws AppError NOT_FOUND; McpError when it is too large. */
export async function readArtifact({ artifacts }: ArtifactReads, id: string, uri: string) {
  const { artifact, bytes } = await artifacts.open(id);
  try {
    if (artifact.sizeBytes > MOST_BYTES) {
      throw new McpError(
        ErrorCode.InvalidParams,
        `${artifact.name} has ${artifact.sizeBytes} bytes, and ${MOST_BYTES} are the most: GET /api/v1/artifacts/${id} has it`,
      );
    }
    const chunks: Buffer[] = [];
    if (artifact.sizeBytes > 0) for await (const chunk of await bytes.read()) chunks.push(chunk as Buffer);
    const content = Buffer.concat(chunks);
    const mimeType = artifact.contentType;
    const isText = /^text\/|[/+]json|[/+]xml|yaml|csv/i.test(mimeType);
    return isText
      ? { uri, mimeType, text: content.toString("utf8") }
      : { uri, mimeType, blob: content.toString("base64") };
  } finally {
    await bytes.close();
  }
}
