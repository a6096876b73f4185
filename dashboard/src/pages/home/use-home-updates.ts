import { useQueryClient } from "@tanstack/react-query";
import { useRunMoves } from "../../app/live-runs.js";
import { queryKeys } from "../../api/query-keys.js";

const EVERY_MS = 2500;

/** Reads the figures anew when runs have moved. */
export function useHomeUpdates(): void {
  const client = useQueryClient();
  useRunMoves(() => {
    void client.invalidateQueries({ queryKey: queryKeys.summary });
    void client.invalidateQueries({ queryKey: queryKeys.activity });
    void client.invalidateQueries({ queryKey: queryKeys.allRuns });
  }, EVERY_MS);
}
