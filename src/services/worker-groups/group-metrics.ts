import type { WorkerGroup } from "../../contracts/api/worker-groups.js";
import type { WorkerGroups } from "./worker-groups.js";

type Figure = Exclude<keyof WorkerGroup, "name">;

const GAUGES: Readonly<Record<Figure, { readonly name: string; readonly help: string }>> = {
  waiting: { name: "headrace_group_steps_waiting", help: "Steps that wait for a worker of the group, now." },
  running: { name: "headrace_group_steps_running", help: "Steps that a worker of the group has taken." },
  delayed: { name: "headrace_group_steps_delayed", help: "Steps of the group that wait for their time." },
  workers: { name: "headrace_group_workers", help: "Living workers of the group." },
  slots: { name: "headrace_group_slots", help: "Steps that the group's workers run at once." },
};

/**
 * Worker groups as Prometheus reads them. The figures are the installation's: every API process tells the same. None while
 * the queue is out of reach: no figure is better for an autoscaler than a zero, and the other metrics stay readable.
 */
export async function readGroupMetrics(
  groups: Pick<WorkerGroups, "list">,
  onFailure: (error: unknown) => void,
): Promise<string> {
  try {
    return describeGroups(await groups.list());
  } catch (error) {
    onFailure(error);
    return "";
  }
}

function describeGroups(groups: readonly WorkerGroup[]): string {
  const lines = Object.entries(GAUGES).flatMap(([figure, { name, help }]) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} gauge`,
    ...groups.map((group) => `${name}{group="${group.name}"} ${group[figure as Figure]}`),
  ]);
  return `${lines.join("\n")}\n`;
}
