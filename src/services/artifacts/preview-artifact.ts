import type { ArtifactPreview } from "../../contracts/api/artifacts.js";
import { AppError } from "../../errors/app-error.js";
import type { ArtifactModel } from "../../models/artifact-model.js";
import { type ArtifactStore, type OpenArtifact, toArtifactRef } from "./artifact-store.js";
import { detectSignature } from "./content-types.js";
import { decodeHead } from "./decode-head.js";
import { previewCsv } from "./preview-csv.js";
import { previewNotebook } from "./preview-notebook.js";

/** How artifacts are shown without being downloaded. Nothing of them runs on our origin. */
export interface ArtifactPreviews {
  /** What can be shown of an artifact, as data. @throws AppError NOT_FOUND */
  describe(id: string): Promise<ArtifactPreview>;
  /**
   * Images and HTML, for the page to show in a frame. The caller closes it.
   * @throws AppError NOT_FOUND, also for artifacts of other kinds; BODY_TOO_LARGE
   */
  open(id: string): Promise<OpenArtifact & { readonly kind: "image" | "html" }>;
}

/** The dependencies of previews. */
export interface PreviewDeps {
  readonly artifacts: Pick<ArtifactStore, "open">;
  /** The setting `MAX_PREVIEW_BYTES`: what is read of text, tables and JSON. */
  readonly maxBytes: number;
}

type Kind = ArtifactPreview["kind"];

/** Raster images alone: an SVG is a program, and is shown as its text. */
const IMAGES: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const MOST_CONTENT_BYTES = 20 * 1024 * 1024;
const MOST_NOTEBOOK_BYTES = 10 * 1024 * 1024;
const SIGNATURE_BYTES = 16;

/** Makes the service. */
export function createArtifactPreviews({ artifacts, maxBytes }: PreviewDeps): ArtifactPreviews {
  return {
    async describe(id) {
      const open = await artifacts.open(id);
      try {
        return await describe(open, maxBytes);
      } finally {
        await open.bytes.close();
      }
    },
    async open(id) {
      const open = await artifacts.open(id);
      try {
        const kind = await judgeKind(open);
        if (kind !== "image" && kind !== "html") {
          throw new AppError("NOT_FOUND", "Artifact has no content to show: only images and HTML have");
        }
        if (open.artifact.sizeBytes > MOST_CONTENT_BYTES) {
          throw new AppError("BODY_TOO_LARGE", "The artifact is too large to show; it can be downloaded");
        }
        return { ...open, kind };
      } catch (error) {
        await open.bytes.close();
        throw error;
      }
    },
  };
}

async function describe(open: OpenArtifact, maxBytes: number): Promise<ArtifactPreview> {
  const { artifact } = open;
  const kind = await judgeKind(open);
  const shown = { artifact: toArtifactRef(artifact), isCut: false };
  if (kind === "image" || kind === "html") {
    return { ...shown, kind, contentUrl: `/api/v1/artifacts/${artifact.id}/preview/content` };
  }
  if (kind === "none") return { ...shown, kind };
  const most = kind === "notebook" ? MOST_NOTEBOOK_BYTES : maxBytes;
  const head = await readHead(open, most);
  const isCut = artifact.sizeBytes > head.length;
  const decoded = decodeHead(head, isCut);
  if (!decoded) return { ...shown, kind: "none" };
  const { text, encoding } = decoded;
  if (kind === "csv") {
    const isTabbed = artifact.contentType.startsWith("text/tab-separated-values");
    const { isCut: isTableCut, ...table } = previewCsv(text, isCut, isTabbed ? "\t" : undefined);
    return { ...shown, kind, encoding, ...table, isCut: isTableCut };
  }
  const value = isCut || kind === "text" ? undefined : parseJson(text);
  const notebook = kind === "notebook" ? previewNotebook(value) : undefined;
  if (notebook) return { ...shown, kind: "notebook", ...notebook };
  if (kind === "json" && value !== undefined) {
    const pretty = JSON.stringify(value, undefined, 2);
    return { ...shown, kind, encoding, text: pretty.slice(0, maxBytes), isCut: pretty.length > maxBytes };
  }
  return {
    ...shown,
    kind: "text",
    encoding,
    text: text.slice(0, maxBytes),
    isCut: isCut || text.length > maxBytes,
  };
}

async function judgeKind(open: OpenArtifact): Promise<Kind> {
  const type = mediaTypeOf(open.artifact);
  if (IMAGES.has(type)) {
    // the name may lie, and browsers are told the type and not to guess
    const head = await readHead(open, SIGNATURE_BYTES);
    return detectSignature(head) === type ? "image" : "none";
  }
  if (type === "text/html") return "html";
  if (type === "text/csv" || type === "text/tab-separated-values") return "csv";
  if (type === "application/x-ipynb+json") return "notebook";
  if (type === "application/json" || type.endsWith("+json")) return "json";
  const isText = type.startsWith("text/") || type === "image/svg+xml" || TEXTUAL.has(type);
  return isText ? "text" : "none";
}

const TEXTUAL: ReadonlySet<string> = new Set([
  "application/sql",
  "application/x-ndjson",
  "application/yaml",
  "application/xml",
]);

/** Without parameters, in lower case. */
function mediaTypeOf({ contentType }: ArtifactModel): string {
  return (contentType.split(";")[0] ?? "").trim().toLowerCase();
}

async function readHead({ artifact, bytes }: OpenArtifact, most: number): Promise<Buffer> {
  const size = Math.min(Number(artifact.sizeBytes), most);
  if (size === 0) return Buffer.alloc(0);
  const chunks: Buffer[] = [];
  for await (const chunk of await bytes.read({ start: 0, end: size - 1 })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
