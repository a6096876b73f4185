import { Panel, useReactFlow, useStore } from "@xyflow/react";
import { useMemo } from "react";
import type { StepStatus } from "../../../../src/core/statuses.js";
import styles from "./run-graph.module.css";

/** A box of the graph as it is drawn from afar. */
export interface OverviewBox {
  readonly id: string;
  readonly x: number;
  readonly y: number;
}

const WIDTH = 200;
const HEIGHT = 140;
const MARGIN = 40;

/**
 * The whole graph, small, with what of it is in sight; a click goes there. One path for each status, however many steps
 * there are: an element for each, as the library's own overview has, took longer than the graph itself.
 */
export function GraphOverview({
  boxes,
  size,
  statusOf,
}: {
  readonly boxes: readonly OverviewBox[];
  readonly size: { readonly width: number; readonly height: number };
  statusOf(id: string): StepStatus;
}) {
  const { setCenter, getZoom } = useReactFlow();
  const bounds = useMemo(() => boundsOf(boxes, size), [boxes, size]);
  const paths = useMemo(() => drawBoxes(boxes, size, statusOf), [boxes, size, statusOf]);
  return (
    <Panel position="bottom-right" className={styles["overview"] ?? ""}>
      <svg
        width={WIDTH}
        height={HEIGHT}
        viewBox={`${bounds.x} ${bounds.y} ${bounds.width} ${bounds.height}`}
        role="img"
        aria-label="Overview of the graph"
        onClick={(event) => {
          const matrix = event.currentTarget.getScreenCTM();
          if (!matrix) return;
          const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
          void setCenter(x, y, { zoom: getZoom() });
        }}
      >
        {[...paths].map(([status, path]) => (
          <path key={status} className={styles[status]} d={path} />
        ))}
        <InSight />
      </svg>
    </Panel>
  );
}

function InSight() {
  const frame = useStore(
    ({ transform: [x, y, zoom], width, height }) =>
      `${-x / zoom} ${-y / zoom} ${width / zoom} ${height / zoom}`,
  );
  const [x, y, width, height] = frame.split(" ");
  return <rect className={styles["inSight"]} {...{ x, y, width, height }} />;
}

function boundsOf(boxes: readonly OverviewBox[], size: { readonly width: number; readonly height: number }) {
  const right = boxes.reduce((most, { x }) => Math.max(most, x), 0) + size.width;
  const bottom = boxes.reduce((most, { y }) => Math.max(most, y), 0) + size.height;
  return { x: -MARGIN, y: -MARGIN, width: right + 2 * MARGIN, height: bottom + 2 * MARGIN };
}

function drawBoxes(
  boxes: readonly OverviewBox[],
  { width, height }: { readonly width: number; readonly height: number },
  statusOf: (id: string) => StepStatus,
): Map<StepStatus, string> {
  const paths = new Map<StepStatus, string>();
  for (const { id, x, y } of boxes) {
    const status = statusOf(id);
    paths.set(status, `${paths.get(status) ?? ""}M${x} ${y}h${width}v${height}h${-width}z`);
  }
  return paths;
}
