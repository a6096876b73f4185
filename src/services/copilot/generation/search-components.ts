import type { Knex } from "knex";
import type { JsonObject } from "../../../core/json.js";
import { RELEASE_MARK } from "../../../core/semver-order.js";

/** A component whose name or description has words of a text, in its newest release. */
export interface FoundComponent {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly mcpType: string;
  readonly version: string;
  readonly config: JsonObject;
  readonly inputSchema: JsonObject | null;
  readonly outputSchema: JsonObject | null;
  /** Words of the text that it has. */
  readonly words: readonly string[];
}

const MOST_WORDS = 40;
const COMMON = new Set(
  "the and for with from into that this then when each every all are was has have not but its use using make write create build workflow step steps run runs data please want need should would could will can let get our your their them which what how".split(
    " ",
  ),
);

/** The words of a text that say something, in their order. */
export function wordsOf(text: string): string[] {
  const words = (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter(
    (word) => word.length > 2 && !COMMON.has(word),
  );
  return [...new Set(words)].slice(0, MOST_WORDS);
}

/** Components by the words of a text, those with most words first. */
export async function searchComponents(
  knex: Knex,
  text: string,
  { mcpType, limit }: { readonly mcpType?: string; readonly limit: number },
): Promise<FoundComponent[]> {
  const words = wordsOf(text);
  if (words.length === 0) return [];
  const { rows } = await knex.raw<{ rows: FoundComponent[] }>(
    `SELECT version.id, definition.name, definition.description, definition.mcp_type AS "mcpType", version.version,
       version.config, version.input_schema AS "inputSchema", version.output_schema AS "outputSchema", matched.words
     FROM mcp_definitions AS definition
     CROSS JOIN LATERAL (
       SELECT array_agg(word) AS words FROM unnest(?::text[], ?::text[]) AS wanted(word, stem)
       WHERE definition.search @@ to_tsquery('simple', '''' || stem || ''':*')
     ) AS matched
     JOIN LATERAL (
       SELECT * FROM mcp_versions AS candidate
       WHERE candidate.mcp_definition_id = definition.id AND candidate.deprecated_at IS NULL
         AND right(candidate.version_order, 1) = ?
       ORDER BY version_order DESC LIMIT 1
     ) AS version ON true
     WHERE definition.search @@ to_tsquery('simple', ?) AND (?::text IS NULL OR definition.mcp_type = ?)
     ORDER BY cardinality(matched.words) DESC, definition.id DESC
     LIMIT ${limit}`,
    [
      words,
      words.map(stemOf),
      RELEASE_MARK,
      words.map((word) => `'${stemOf(word)}':*`).join(" | "),
      mcpType ?? null,
      mcpType ?? null,
    ],
  );
  return rows;
}

/** `extracts`, `extracted` and `extracting` find `extract`. */
function stemOf(word: string): string {
  const stem = word.replace(/(?:ing|ed|es|s)$/, "");
  return stem.length >= 4 ? stem : word;
}
