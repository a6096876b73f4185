import { ArrowLeftRight } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useMemo } from "react";
import type { Run, StepRun } from "../../../../src/contracts/api/runs.js";
import { ApiError } from "../../api/problem.js";
import { useMe } from "../../api/use-me.js";
import { PAGE_PATHS } from "../../app/page-paths.js";
import { useUrlState } from "../../app/use-url-state.js";
import { ButtonLink } from "../../components/button.js";
import { PageHeader } from "../../components/page-header.js";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";
import { type Tab, Tabs } from "../../components/tabs.js";
import { isOver } from "../../format/status.js";
import { type ChosenStep, findChosen, parseChosen, suggestStep } from "./chosen-step.js";
import { RunAudit } from "./run-audit.js";
import { RunComparison } from "./run-comparison.js";
import { RunError } from "./run-error.js";
import { RunFiles } from "./run-files.js";
import { RunHeader } from "./run-header.js";
import { RunLog } from "./run-log.js";
import styles from "./run-page.module.css";
import { StepPanel, STEP_TABS, type StepTab } from "./step-panel.js";
import { Timeline } from "./timeline.js";
import { useRun, useRunFeed, useRunGraph, useRunSteps } from "./use-run.js";
import { ValueBlock } from "./value-block.js";

const loadGraph = async () => await import("./run-graph.js");
const RunGraph = lazy(async () => ({ default: (await loadGraph()).RunGraph }));

const RunDiagnosis = lazy(async () => ({ default: (await import("./run-diagnosis.js")).RunDiagnosis }));

const VIEWS = ["timeline", "graph", "logs", "data", "files", "diagnosis", "compare", "audit"] as const;
type View = (typeof VIEWS)[number];

/** One run: what it does, step by step, live to its end. */
export function RunPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const id = params["id"] ?? "";
  const { data: run, error, refetch } = useRun(id);
  // asked for now, not once the run has come
  useRunSteps(id);
  useRunGraph(id);
  useEffect(() => {
    // its code comes along with the run's data, or a little later for whoever may open it
    const isOpen = new URLSearchParams(location.search).get("view") === "graph";
    const timer = setTimeout(() => void loadGraph().catch(() => undefined), isOpen ? 0 : 1500);
    return () => clearTimeout(timer);
  }, []);
  if (error && !run) {
    const isUnknown = error instanceof ApiError && error.status === 404;
    return (
      <>
        <PageHeader title="Run" crumbs={[{ label: "Runs", to: PAGE_PATHS.runs }]} />
        {isUnknown ? (
          <EmptyState
            icon={ArrowLeftRight}
            title="There is no such run"
            action={<ButtonLink to={PAGE_PATHS.runs}>All runs</ButtonLink>}
          >
            It may have been removed by retention, or the link was cut short.
          </EmptyState>
        ) : (
          <ErrorPanel error={error} onRetry={() => void refetch()} />
        )}
      </>
    );
  }
  return run ? <LoadedRun key={run.id} run={run} /> : <Skeleton lines={8} height={18} />;
}

const DEFAULTS = { view: "timeline", step: "", item: "", tab: "overview", with: "" };

function LoadedRun({ run }: { readonly run: Run }) {
  const [state, setState] = useUrlState(DEFAULTS);
  const { data: steps, error, refetch } = useRunSteps(run.id);
  const { data: graph } = useRunGraph(run.id);
  const view = VIEWS.includes(state.view as View) ? (state.view as View) : "timeline";
  const tab = STEP_TABS.includes(state.tab as StepTab) ? (state.tab as StepTab) : "overview";
  const isClosed = state.step === "-";
  const asked = isClosed ? undefined : parseChosen(state.step, state.item);
  const step = steps && !isClosed ? (findChosen(steps, asked) ?? suggestStep(steps)) : undefined;
  const stepId = step?.stepId;
  const itemIndex = step?.itemIndex;
  const chosen = useMemo<ChosenStep | undefined>(
    () => (stepId === undefined ? undefined : { stepId, itemIndex }),
    [stepId, itemIndex],
  );
  const needsFeed =
    view === "logs" || (step !== undefined && tab !== "overview" && tab !== "data" && tab !== "files");
  const { feed } = useRunFeed(run.id, !isOver(run.status) || needsFeed);
  const choose = useCallback(
    ({ stepId, itemIndex }: StepRun) =>
      setState({ step: stepId, item: itemIndex === undefined ? undefined : String(itemIndex) }),
    [setState],
  );
  const tabs = useRunViews({
    run,
    steps,
    graph,
    chosen,
    feed,
    choose,
    withId: state.with,
    setWith: (id) => setState({ with: id }),
  });
  if (error && !steps) return <ErrorPanel error={error} onRetry={() => void refetch()} />;
  return (
    <div className={styles["page"]}>
      <RunHeader run={run} chosen={step} />
      {run.error && (
        <RunError
          error={run.error}
          onShow={(stepId) => setState({ step: stepId, item: undefined })}
          onDiagnose={() => setState({ view: "diagnosis" })}
        />
      )}
      <div className={`${styles["split"]} ${step ? "" : styles["single"]}`}>
        <div className={styles["views"]}>
          <Tabs
            label="Views of the run"
            tabs={tabs}
            open={view}
            onOpen={(next) => setState({ view: next })}
          />
        </div>
        {step && (
          <div className={styles["side"]}>
            <StepPanel
              run={run}
              step={step}
              node={graph?.nodes.find(({ id }) => id === step.stepId)}
              feed={feed}
              tab={tab}
              onTab={(next) => setState({ tab: next })}
              onClose={() => setState({ step: "-", item: undefined })}
            />
          </div>
        )}
      </div>
    </div>
  );
}

function useRunViews(given: {
  readonly run: Run;
  readonly steps: readonly StepRun[] | undefined;
  readonly graph: ReturnType<typeof useRunGraph>["data"];
  readonly chosen: ChosenStep | undefined;
  readonly feed: ReturnType<typeof useRunFeed>["feed"];
  choose(step: StepRun): void;
  readonly withId: string;
  setWith(id: string): void;
}): Tab<View>[] {
  const { run, steps, graph, chosen, feed, choose } = given;
  const me = useMe();
  const views: Tab<View>[] = [
    {
      id: "timeline",
      label: "Timeline",
      count: run.stepCounts.total,
      render: () =>
        steps ? (
          <Timeline run={run} steps={steps} chosen={chosen} onChoose={choose} />
        ) : (
          <Skeleton lines={6} height={18} />
        ),
    },
    {
      id: "graph",
      label: "Graph",
      render: () => (
        <Suspense fallback={<Skeleton lines={6} height={18} />}>
          {graph && <RunGraph graph={graph} steps={steps} chosen={chosen} onChoose={choose} />}
        </Suspense>
      ),
    },
    { id: "logs", label: "Logs", render: () => <RunLog feed={feed} run={run} /> },
    {
      id: "data",
      label: "Input & output",
      render: () => (
        <div className={styles["data"]}>
          <ValueBlock title="Input" value={run.input} />
          <ValueBlock title="Output" value={run.output} artifact={run.outputArtifact} />
        </div>
      ),
    },
    { id: "files", label: "Files", render: () => <RunFiles run={run} nodes={graph?.nodes} /> },
    ...(run.status === "failed"
      ? [
          {
            id: "diagnosis" as const,
            label: "Diagnosis",
            render: () => (
              <Suspense fallback={<Skeleton lines={4} />}>
                <RunDiagnosis run={run} />
              </Suspense>
            ),
          },
        ]
      : []),
    {
      id: "compare",
      label: "Compare",
      render: () => (
        <RunComparison run={run} steps={steps ?? []} otherId={given.withId} onChoose={given.setWith} />
      ),
    },
  ];
  if (me?.permissions.includes("audit:read"))
    views.push({ id: "audit", label: "Audit", render: () => <RunAudit runId={run.id} /> });
  return views;
}
