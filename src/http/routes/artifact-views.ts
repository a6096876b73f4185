import { artifactPreviewSchema, runArtifactPageSchema } from "../../contracts/api/artifacts.js";
import { idParamsSchema, pageQuerySchema } from "../../contracts/api/common.js";
import type { Logger } from "../../observability/logger.js";
import type { ArtifactStore } from "../../services/artifacts/artifact-store.js";
import type { ArtifactPreviews } from "../../services/artifacts/preview-artifact.js";
import type { RunQueries } from "../../services/runs/run-queries.js";
import { defineRoute, type RouteDefinition } from "../route.js";
import { sendRange } from "./artifacts.js";

/** What these routes call. */
export interface ArtifactViewDeps {
  readonly artifacts: Pick<ArtifactStore, "listPageOfRun">;
  readonly previews: ArtifactPreviews;
  readonly runs: Pick<RunQueries, "assertExists">;
  readonly logger: Logger;
}

const COMMON = { method: "get", permission: "run:read", tag: "Runs", params: idParamsSchema } as const;
/** Pages of others: no script, no origin of ours, nothing loaded from anywhere. */
const HTML_POLICY =
  "sandbox; default-src 'none'; img-src data:; font-src data:; media-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'";
const IMAGE_POLICY = "sandbox; default-src 'none'";

/** The files of a run, and what can be shown of one. */
export function artifactViewRoutes(deps: ArtifactViewDeps): RouteDefinition[] {
  return [
    defineRoute({
      ...COMMON,
      path: "/api/v1/workflow-runs/:id/artifacts",
      summary: "List the files that the steps of a run left",
      query: pageQuerySchema,
      answers: {
        200: { description: "One page, newest first.", schema: runArtifactPageSchema },
        404: { description: "No such run." },
      },
      locate: async ({ params }) => await deps.runs.assertExists(params.id),
      handler: async ({ params, query }) => ({
        status: 200,
        body: await deps.artifacts.listPageOfRun(params.id, query),
      }),
    }),
    defineRoute({
      ...COMMON,
      path: "/api/v1/artifacts/:id/preview",
      summary:
        "Show the beginning of a text, table, JSON or notebook as data; of an image or HTML, where it is shown",
      answers: {
        200: { description: "What can be shown.", schema: artifactPreviewSchema },
        404: { description: "No such artifact, or its bytes are missing or damaged." },
      },
      handler: async ({ params }) => ({ status: 200, body: await deps.previews.describe(params.id) }),
    }),
    contentRoute(deps),
  ];
}

function contentRoute({ previews, logger }: ArtifactViewDeps): RouteDefinition {
  return defineRoute({
    ...COMMON,
    path: "/api/v1/artifacts/:id/preview/content",
    summary: "Show an image, or HTML without scripts and without an origin, inline",
    answers: {
      200: { description: "All bytes.", contentType: "text/html" },
      404: { description: "No such artifact, or one that is neither an image nor HTML." },
      413: { description: "Too large to show; it can be downloaded." },
    },
    async handler({ params, raw }) {
      const open = await previews.open(params.id);
      const { artifact, kind } = open;
      const size = Number(artifact.sizeBytes);
      const headers = {
        "Content-Type": artifact.contentType,
        "Content-Length": String(size),
        "Content-Disposition": "inline",
        "Content-Security-Policy": kind === "html" ? HTML_POLICY : IMAGE_POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "Cache-Control": "private, max-age=0, must-revalidate",
      };
      if (raw.method === "HEAD") {
        await open.bytes.close();
        return { status: 200, headers };
      }
      const range = { start: 0, end: size - 1 };
      return {
        status: 200,
        headers,
        stream: async (_request, response) => await sendRange(open, range, response, logger),
      };
    },
  });
}
