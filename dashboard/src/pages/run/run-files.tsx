import { useInfiniteQuery } from "@tanstack/react-query";
import { Files } from "lucide-react";
import type { RunArtifact } from "../../../../src/contracts/api/artifacts.js";
import type { Run, RunGraph } from "../../../../src/contracts/api/runs.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import { Button } from "../../components/button.js";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";
import { ArtifactList } from "./artifact-list.js";
import styles from "./run-page.module.css";

/** Every file that the run's steps left. */
export function RunFiles({
  run,
  nodes,
}: {
  readonly run: Run;
  /** The run's steps in the order of the definition. */
  readonly nodes: RunGraph["nodes"] | undefined;
}) {
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: queryKeys.runArtifacts(run.id),
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      await apiRequest<Page<RunArtifact>>(`/workflow-runs/${run.id}/artifacts`, {
        query: { cursor: pageParam, limit: 100 },
        signal,
      }),
    getNextPageParam: (page) => page.nextCursor ?? undefined,
  });
  if (error && !data) return <ErrorPanel error={error} onRetry={() => void refetch()} />;
  if (!data) return <Skeleton />;
  const files = data.pages.flatMap(({ items }) => items);
  if (files.length === 0) {
    return (
      <EmptyState icon={Files} title="No step has left a file">
        What a step writes to its folder <code>artifacts/</code> is kept and shown here.
      </EmptyState>
    );
  }
  return (
    <div className={styles["data"]}>
      <ArtifactList artifacts={files} ownerOf={(file) => nameOwner(file, nodes)} />
      {hasNextPage && (
        <Button isBusy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Load more
        </Button>
      )}
    </div>
  );
}

/** The step that left a file. */
function nameOwner(
  { stepIndex, itemIndex }: RunArtifact,
  nodes: RunGraph["nodes"] | undefined,
): string | undefined {
  const stepId = nodes?.[stepIndex]?.id;
  return stepId === undefined || itemIndex === null ? stepId : `${stepId} [${itemIndex}]`;
}
