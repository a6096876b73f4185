import type { ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { idParamsSchema } from "../../contracts/api/common.js";
import { toError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import { toContentDisposition } from "../../services/artifacts/artifact-name.js";
import type { ArtifactStore, OpenArtifact } from "../../services/artifacts/artifact-store.js";
import { type ByteRange, parseByteRange } from "../parse-byte-range.js";
import { defineRoute, type RouteDefinition, type RouteResponse } from "../route.js";

/** Whatever the bytes are, a browser runs nothing of them and does not guess what they are. */
const INERT_HEADERS = {
  "Content-Security-Policy": "sandbox; default-src 'none'",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "private, max-age=0, must-revalidate",
} as const;

/** What the route of artifacts calls. */
export interface ArtifactRouteDeps {
  readonly artifacts: Pick<ArtifactStore, "open">;
  readonly logger: Logger;
}

/** Files that steps left. Whatever they are, a browser downloads them and runs nothing of them on our origin. */
export function artifactRoutes(deps: ArtifactRouteDeps): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: "/api/v1/artifacts/:id",
      permission: "run:read",
      summary: "Download an artifact, in whole or by one byte range",
      tag: "Runs",
      params: idParamsSchema,
      answers: {
        200: { description: "All bytes.", contentType: "application/octet-stream" },
        206: { description: "The range that was asked for.", contentType: "application/octet-stream" },
        304: { description: "The client has it." },
        404: { description: "No such artifact, or its bytes are missing or damaged." },
        416: { description: "The range lies outside." },
      },
      async handler({ params, header, raw }) {
        const open = await deps.artifacts.open(params.id);
        const answer = judgeRequest(open, header);
        if (answer.range === undefined || raw.method === "HEAD") {
          await open.bytes.close();
          return answer.response;
        }
        const { range } = answer;
        return {
          ...answer.response,
          stream: async (_request, response) => await sendRange(open, range, response, deps.logger),
        };
      },
    }),
  ];
}

interface Judged {
  readonly response: RouteResponse;
  /** The bytes to send; undefined when there are none. */
  readonly range?: ByteRange;
}

function judgeRequest({ artifact }: OpenArtifact, header: (name: string) => string | undefined): Judged {
  const etag = `"${artifact.sha256}"`;
  const size = artifact.sizeBytes;
  const headers = {
    "Content-Type": artifact.contentType,
    "Content-Disposition": toContentDisposition(artifact.name),
    ...INERT_HEADERS,
    "Accept-Ranges": "bytes",
    ETag: etag,
  };
  if (matchesEtag(header("if-none-match"), etag)) return { response: { status: 304, headers } };
  const ifRange = header("if-range");
  const asked = ifRange === undefined || ifRange === etag ? header("range") : undefined;
  const range = parseByteRange(asked, size);
  if (range === "outside") {
    return { response: { status: 416, headers: { ...headers, "Content-Range": `bytes */${size}` } } };
  }
  if (range === undefined) {
    return {
      response: { status: 200, headers: { ...headers, "Content-Length": String(size) } },
      range: { start: 0, end: size - 1 },
    };
  }
  const contentRange = `bytes ${range.start}-${range.end}/${size}`;
  const length = String(range.end - range.start + 1);
  return {
    response: {
      status: 206,
      headers: { ...headers, "Content-Range": contentRange, "Content-Length": length },
    },
    range,
  };
}

function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}

/** Sends bytes as the rest of a response, and closes them. */
export async function sendRange(
  open: OpenArtifact,
  range: ByteRange,
  response: ServerResponse,
  logger: Logger,
): Promise<void> {
  try {
    if (range.end < range.start) response.end();
    else await pipeline(await open.bytes.read(range), response);
  } catch (error) {
    // the headers are gone: a client that left, or a disk that failed, can only be told by a broken answer
    if (!isClientGone(error))
      logger.error({ err: toError(error), artifactId: open.artifact.id }, "artifact could not be sent");
    response.destroy();
  } finally {
    await open.bytes.close();
  }
}

function isClientGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ECONNRESET" || code === "EPIPE";
}
