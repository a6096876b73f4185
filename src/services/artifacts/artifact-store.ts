import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import type { Knex } from "knex";
import type { RunArtifact } from "../../contracts/api/artifacts.js";
import { newId } from "../../core/ids.js";
import type { JsonValue } from "../../core/json.js";
import { AppError, notFound } from "../../errors/app-error.js";
import type { ArtifactRef } from "../../executors/types.js";
import { ArtifactModel } from "../../models/artifact-model.js";
import { createRepository, type Db, type Page, type PageRequest } from "../../models/repository.js";
import {
  type ArtifactFiles,
  type ByteSource,
  createArtifactFiles,
  type OpenBytes,
} from "./artifact-files.js";
import { toArtifactName } from "./artifact-name.js";
import { detectContentType } from "./content-types.js";
import { type FoundFile, type WalkLimits, type WalkVisitor, walkFolder } from "./walk-folder.js";

/** The step attempt that an artifact comes from. */
export interface ArtifactOwner {
  readonly runId: string;
  readonly stepIndex: number;
  /** -1 outside of `forEach`. */
  readonly itemIndex: number;
  readonly attempt: number;
}

/** What describes the bytes. */
export interface ArtifactContent {
  readonly kind: "file" | "output";
  readonly name: string;
  /** Default: told from the name and the first bytes. */
  readonly contentType?: string;
}

/** An artifact, open for reading. The caller closes it. */
export interface OpenArtifact {
  readonly artifact: ArtifactModel;
  readonly bytes: OpenBytes;
}

/** What a step's `artifacts/` folder gave. */
export interface CollectedArtifacts {
  readonly artifacts: readonly ArtifactRef[];
  /** One line per refusal, fit for the step's log. Bounded. */
  readonly refusals: readonly string[];
}

/** Limits of the store; see {@link DEFAULT_ARTIFACT_LIMITS}. */
export interface ArtifactLimits extends WalkLimits {
  /** Refusals reported one by one; the rest is counted. */
  readonly maxRefusals: number;
}

/** What one step attempt may leave behind. */
const DEFAULT_ARTIFACT_LIMITS: ArtifactLimits = {
  maxFiles: 1000,
  maxTotalBytes: 1024 ** 3,
  maxDepth: 16,
  maxEntries: 10_000,
  maxRefusals: 50,
};

const CHUNK_BYTES = 1024 * 1024;
const artifacts = createRepository<ArtifactModel>(ArtifactModel, "Artifact");

/** What a store is made of: rows in PostgreSQL, and bytes in `files` or, by default, on disk under `root`. */
export type ArtifactStoreDeps = ({ readonly root: string } | { readonly files: ArtifactFiles }) & {
  readonly knex: Knex;
  readonly limits?: Partial<ArtifactLimits>;
};

/** Files that steps leave behind and outputs too large for a row. */
export function createArtifactStore(deps: ArtifactStoreDeps) {
  const files = "files" in deps ? deps.files : createArtifactFiles(deps.root);
  const limits = { ...DEFAULT_ARTIFACT_LIMITS, ...deps.limits };
  return { ...createWriter(deps.knex, files, limits), ...createReader(deps.knex, files) };
}

/** See {@link createArtifactStore}. */
export type ArtifactStore = ReturnType<typeof createArtifactStore>;

/** A row of `artifacts` before the database has added its time. */
type NewArtifact = Pick<
  ArtifactModel,
  keyof ArtifactOwner | "id" | "kind" | "name" | "contentType" | "sizeBytes" | "sha256"
>;

function createWriter(knex: Knex, files: ArtifactFiles, limits: ArtifactLimits) {
  /** Bytes first, then the row: a row never names bytes that are not there. */
  async function store(
    owner: ArtifactOwner,
    content: ArtifactContent,
    source: ByteSource,
  ): Promise<NewArtifact> {
    const stored = await files.write(source);
    const name = toArtifactName(content.name);
    return {
      id: newId(),
      ...owner,
      kind: content.kind,
      name,
      contentType: content.contentType ?? detectContentType(name, stored.head),
      sizeBytes: stored.sizeBytes,
      sha256: stored.sha256,
    };
  }

  async function save(owner: ArtifactOwner, content: ArtifactContent, source: ByteSource, db: Db) {
    return toArtifactRef(await artifacts.insert(db, await store(owner, content, source)));
  }

  return {
    /** Stores bytes that are in memory; with a transaction, the row becomes part of it. */
    async saveBytes(owner: ArtifactOwner, content: ArtifactContent, bytes: Uint8Array, db: Db = knex) {
      return await save(owner, content, [bytes], db);
    },

    /** Stores what an open file holds, from its beginning to `sizeBytes`. */
    async saveFile(
      owner: ArtifactOwner,
      content: ArtifactContent,
      file: Pick<FoundFile, "handle" | "sizeBytes">,
      db: Db = knex,
    ) {
      return await save(owner, content, readChunks(file.handle, file.sizeBytes), db);
    },

    /**
     * Takes over what a step left in `<workdir>/artifacts`: regular files only, within the limits. Everything
     * else is refused with a reason, and nothing in the folder can make this wait.
     * @throws when the signal is aborted, the disk fails or the database does.
     */
    async collect(workdir: string, owner: ArtifactOwner, signal?: AbortSignal): Promise<CollectedArtifacts> {
      const kept: NewArtifact[] = [];
      const refusals: string[] = [];
      let refusedCount = 0;
      const visitor: WalkVisitor = {
        async onFile({ name, handle, sizeBytes }) {
          kept.push(await store(owner, { kind: "file", name }, readChunks(handle, sizeBytes, signal)));
        },
        onRefused(reason) {
          refusedCount += 1;
          if (refusals.length < limits.maxRefusals) refusals.push(`artifact refused: ${reason}`);
        },
      };
      await walkFolder(join(workdir, "artifacts"), limits, visitor, signal);
      if (refusedCount > refusals.length) {
        refusals.push(`artifacts refused: ${refusedCount - refusals.length} more`);
      }
      if (kept.length > 0) await ArtifactModel.query(knex).insert(kept);
      return { artifacts: kept.map(toArtifactRef), refusals };
    },
  };
}

function createReader(knex: Knex, files: ArtifactFiles) {
  async function open(id: string): Promise<OpenArtifact> {
    const artifact = await artifacts.get(knex, id);
    const bytes = await files.open(artifact.sha256, Number(artifact.sizeBytes));
    if (!bytes) throw notFound("Artifact");
    return { artifact, bytes };
  }

  return {
    /** @throws AppError NOT_FOUND when there is no such artifact, or its bytes are missing or changed. */
    open,

    /**
     * The JSON of a stored output.
     * @throws AppError NOT_FOUND as `open` does, BODY_TOO_LARGE above `maxBytes`.
     */
    async readJson(id: string, maxBytes: number): Promise<JsonValue> {
      const { artifact, bytes } = await open(id);
      try {
        if (artifact.sizeBytes > maxBytes)
          throw new AppError("BODY_TOO_LARGE", "The output is too large to show");
        return JSON.parse(await readText(await bytes.read())) as JsonValue;
      } finally {
        await bytes.close();
      }
    },

    /** Rows of these ids, in no order; unknown ones are left out. */
    async findMany(ids: readonly string[]): Promise<ArtifactModel[]> {
      if (ids.length === 0) return [];
      return await ArtifactModel.query(knex).whereIn("id", [...ids]);
    },

    /** One page of the files that the steps of a run left, newest first. @throws AppError INVALID_FIELDS */
    async listPageOfRun(runId: string, page: PageRequest): Promise<Page<RunArtifact>> {
      const found = await artifacts.listPage(knex, page, (query) => {
        void query.where({ run_id: runId, kind: "file" });
      });
      return {
        ...found,
        items: found.items.map((row) => ({
          ...toArtifactRef(row),
          stepIndex: row.stepIndex,
          itemIndex: row.itemIndex < 0 ? null : row.itemIndex,
          attempt: row.attempt,
          createdAt: row.createdAt.toISOString(),
        })),
      };
    },

    /** Files that the steps of a run left, oldest first. Outputs are not among them. At most `limit`. */
    async listFilesOfRun(runId: string, limit: number): Promise<ArtifactModel[]> {
      return await ArtifactModel.query(knex)
        .where({ run_id: runId, kind: "file" })
        .orderBy(["step_index", "item_index", "id"])
        .limit(limit);
    },
  };
}

/** What the API and executors see of an artifact. */
export function toArtifactRef(row: NewArtifact): ArtifactRef {
  const { id, name, contentType, sizeBytes, sha256 } = row;
  return { id, name, contentType, sizeBytes: Number(sizeBytes), sha256 };
}

/** Reads up to a size that was judged before: a file that grows meanwhile is cut there. */
async function* readChunks(
  handle: FileHandle,
  sizeBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let position = 0;
  while (position < sizeBytes) {
    signal?.throwIfAborted();
    const length = Math.min(CHUNK_BYTES, sizeBytes - position);
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
