import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import { GitFork, Repeat, RotateCw } from "lucide-react";
import styles from "./canvas.module.css";
import type { PlacedStep } from "./definition-model.js";
import { StepIcon } from "./step-icon.js";

/** A step as a node of the graph. */
export type StepNodeType = Node<
  {
    readonly placed: PlacedStep;
    readonly uses: string;
    readonly mcpType: string | undefined;
    readonly faultCount: number;
  },
  "step"
>;

const PHASES = { steps: "", onFailure: "on failure", finally: "finally" } as const;

/** The box of a step: what it is, what it uses, and whether something is wrong with it. */
export function StepNode({ data, selected }: NodeProps<StepNodeType>) {
  const { placed, uses, mcpType, faultCount } = data;
  const { step, list, id } = placed;
  return (
    <div
      className={styles["step"]}
      data-step={placed.key}
      data-selected={selected}
      data-faults={faultCount > 0}
    >
      <Handle type="target" position={Position.Left} className={styles["handle"] ?? ""} />
      {PHASES[list] !== "" && <span className={styles["phase"]}>{PHASES[list]}</span>}
      <StepIcon uses={uses} mcpType={mcpType} size={17} />
      <span className={styles["words"]}>
        <strong className="cut">{typeof step["name"] === "string" ? step["name"] : id || "(no id)"}</strong>
        <span className={`${styles["uses"]} cut`}>{uses || "uses nothing yet"}</span>
      </span>
      <span className={styles["marks"]}>
        {step["when"] !== undefined && <GitFork size={13} aria-label="has a condition" role="img" />}
        {step["forEach"] !== undefined && <Repeat size={13} aria-label="once per item" role="img" />}
        {step["retry"] !== undefined && <RotateCw size={13} aria-label="is retried" role="img" />}
        {faultCount > 0 && <span className={styles["faults"]}>{faultCount}</span>}
      </span>
      <Handle type="source" position={Position.Right} className={styles["handle"] ?? ""} />
    </div>
  );
}
