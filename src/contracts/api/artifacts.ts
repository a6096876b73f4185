import { z } from "zod";
import { instantSchema, pageOf } from "./common.js";
import { artifactRefSchema } from "./runs.js";

const cellSchema = z.object({
  cellType: z.string(),
  source: z.string(),
  outputs: z.array(
    z.union([
      z.object({ kind: z.enum(["text", "error"]), text: z.string() }),
      z.object({ kind: z.literal("image"), mimeType: z.enum(["image/png", "image/jpeg"]), data: z.string() }),
    ]),
  ),
});
const shared = { artifact: artifactRefSchema, isCut: z.boolean().describe("There is more than is shown.") };
const encoding = z.enum(["utf-8", "utf-16le", "utf-16be", "windows-1252"]);

/** What can be shown of an artifact without downloading it. */
export const artifactPreviewSchema = z
  .discriminatedUnion("kind", [
    z.object({ ...shared, kind: z.enum(["text", "json"]), encoding, text: z.string() }),
    z.object({
      ...shared,
      kind: z.literal("csv"),
      encoding,
      delimiter: z.string(),
      columns: z.array(z.string()),
      rows: z.array(z.array(z.string())),
    }),
    z.object({ ...shared, kind: z.literal("notebook"), cells: z.array(cellSchema) }),
    z.object({
      ...shared,
      kind: z.enum(["image", "html"]),
      contentUrl: z.string().describe("Shows it inline; HTML without scripts and without an origin."),
    }),
    z.object({ ...shared, kind: z.literal("none") }),
  ])
  .meta({ id: "ArtifactPreview" });
export type ArtifactPreview = z.infer<typeof artifactPreviewSchema>;

/** One file of a run, and the step attempt that left it. */
export const runArtifactSchema = artifactRefSchema
  .extend({
    stepIndex: z.int().describe("The step's place in the definition."),
    itemIndex: z.int().nullable(),
    attempt: z.int(),
    createdAt: instantSchema,
  })
  .meta({ id: "RunArtifact" });
export type RunArtifact = z.infer<typeof runArtifactSchema>;

/** A page of them, newest first. */
export const runArtifactPageSchema = pageOf(runArtifactSchema);
