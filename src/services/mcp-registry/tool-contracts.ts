import type { Knex } from "knex";
import type { JsonObject } from "../../core/json.js";
import type { ContractTool, ResolvedPackage, ToolContract, ToolListing } from "../../core/tool-contract.js";
import type { Db } from "../../models/repository.js";

interface Row {
  readonly tools: ContractTool[];
  readonly hash: string;
  readonly serverInfo: JsonObject;
  readonly package: ResolvedPackage | null;
  readonly at: Date;
}

/** The tools of Model Context Protocol servers as they were when their versions were first listed or run. */
export interface ToolContracts {
  /** The contract of a version, or undefined when its server was never asked. Starts nothing. */
  readToolContract(mcpVersionId: string): Promise<ToolContract | undefined>;
  /**
   * Stores a version's first listing; a contract that is there stays.
   * @returns the contract that counts, and whether it is this one
   */
  keep(
    mcpVersionId: string,
    listing: ToolListing,
    db?: Db,
  ): Promise<{ contract: ToolContract; isNew: boolean }>;
}

/** Makes the service over a database. */
export function createToolContracts({ knex }: { readonly knex: Knex }): ToolContracts {
  return {
    readToolContract: async (mcpVersionId) => await read(knex, mcpVersionId),

    async keep(mcpVersionId, listing, db = knex) {
      const { tools, hash, serverInfo } = listing;
      const { rows } = (await db.raw(
        `INSERT INTO mcp_tool_contracts (mcp_version_id, tools, hash, server_info, package)
         VALUES (?, ?::jsonb, ?, ?::jsonb, ?::jsonb)
         ON CONFLICT (mcp_version_id) DO NOTHING RETURNING mcp_version_id`,
        [
          mcpVersionId,
          JSON.stringify(tools),
          hash,
          JSON.stringify(serverInfo),
          listing.package ? JSON.stringify(listing.package) : null,
        ],
      )) as { rows: unknown[] };
      const contract = await read(db, mcpVersionId);
      if (!contract) throw new Error(`MCP version ${mcpVersionId} is gone`);
      return { contract, isNew: rows.length > 0 };
    },
  };
}

async function read(db: Db, mcpVersionId: string): Promise<ToolContract | undefined> {
  const { rows } = (await db.raw(
    `SELECT tools, hash, server_info AS "serverInfo", package, listed_at AS at
     FROM mcp_tool_contracts WHERE mcp_version_id = ?`,
    [mcpVersionId],
  )) as { rows: Row[] };
  const [row] = rows;
  if (!row) return undefined;
  const { package: resolved, ...rest } = row;
  return { ...rest, ...(resolved && { package: resolved }) };
}
