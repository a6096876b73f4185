import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";
import { usageError } from "./cli-error.js";

const exampleSchema = z.strictObject({
  kind: z.literal("Example"),
  title: z.string(),
  workflow: z.string(),
  input: z.record(z.string(), z.unknown()).default({}),
});

/** What `example.yaml` of an example's folder says: which workflow to run with which input. */
export type Example = z.infer<typeof exampleSchema> & { readonly folder: string };

/** Reads a folder's `example.yaml`. @throws CliError (exit code 2) when there is none, or it is not valid. */
export function loadExample(folder: string): Example {
  const path = join(folder, "example.yaml");
  if (!existsSync(path)) throw usageError(`${folder} is no example: it has no example.yaml.`);
  const parsed = exampleSchema.safeParse(parse(readFileSync(path, "utf8")));
  if (!parsed.success) throw usageError(`${path}: ${z.prettifyError(parsed.error)}`);
  return { ...parsed.data, folder };
}

/** The folders of the examples that come with Headrace; none in an installation without them. */
export function listExampleFolders(): string[] {
  const root = fileURLToPath(new URL("../../../examples/", import.meta.url));
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .map((name) => join(root, name))
    .filter((folder) => existsSync(join(folder, "example.yaml")))
    .sort();
}
