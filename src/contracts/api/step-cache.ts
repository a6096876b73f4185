import { z } from "zod";

/** Answer of `DELETE …/cache`. */
export const clearedCacheSchema = z
  .object({ removed: z.int().meta({ description: "How many results were forgotten." }) })
  .meta({ id: "ClearedCache" });
