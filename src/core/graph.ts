/** For each node, the nodes that it waits for, by index. */
export type DependencyGraph = readonly (readonly number[])[];

/** Cycles beyond this many are not searched for: who mends these will see the others. */
const MAX_CYCLES = 100;

/** For each node, the nodes that wait for it. */
export function invertGraph(dependencies: DependencyGraph): number[][] {
  const dependants: number[][] = dependencies.map(() => []);
  dependencies.forEach((needed, node) => {
    for (const dependency of needed) dependants[dependency]?.push(node);
  });
  return dependants;
}

/**
 * The nodes in an order in which each stands after all that it waits for; among free ones the lower index
 * first. Undefined when there is a cycle. Linear in nodes and edges.
 */
export function topologicalOrder(dependencies: DependencyGraph): number[] | undefined {
  const dependants = invertGraph(dependencies);
  const openCounts = dependencies.map((needed) => needed.length);
  const order: number[] = [];
  openCounts.forEach((count, node) => {
    if (count === 0) order.push(node);
  });
  for (let at = 0; at < order.length; at += 1) {
    for (const dependant of dependants[order[at] ?? -1] ?? []) {
      const left = (openCounts[dependant] ?? 0) - 1;
      openCounts[dependant] = left;
      if (left === 0) order.push(dependant);
    }
  }
  return order.length === dependencies.length ? order : undefined;
}

/**
 * Cycles that cover every node that is on one (up to 100 cycles): each is a list of nodes of which every one
 * waits for the next, and the last for the first. A node that waits for itself is a cycle of one.
 */
export function findCycles(dependencies: DependencyGraph): number[][] {
  const componentOf = findComponents(dependencies);
  const covered = new Set<number>();
  const cycles: number[][] = [];
  for (let node = 0; node < dependencies.length && cycles.length < MAX_CYCLES; node += 1) {
    if (covered.has(node)) continue;
    const cycle = findCycleThrough(node, dependencies, componentOf);
    if (!cycle) continue;
    for (const member of cycle) covered.add(member);
    cycles.push(cycle);
  }
  return cycles;
}

/** A shortest cycle through a node; its nodes all share the node's component, so nothing else is searched. */
function findCycleThrough(
  start: number,
  dependencies: DependencyGraph,
  componentOf: readonly number[],
): number[] | undefined {
  const cameFrom = new Map<number, number>();
  const queue = [start];
  for (let at = 0; at < queue.length; at += 1) {
    const node = queue[at] ?? start;
    for (const next of dependencies[node] ?? []) {
      if (next === start) return pathTo(node, start, cameFrom);
      if (componentOf[next] !== componentOf[start] || cameFrom.has(next)) continue;
      cameFrom.set(next, node);
      queue.push(next);
    }
  }
  return undefined;
}

function pathTo(end: number, start: number, cameFrom: ReadonlyMap<number, number>): number[] {
  const path = [end];
  for (let node = end; node !== start; ) {
    node = cameFrom.get(node) ?? start;
    path.push(node);
  }
  return path.reverse();
}

/** The strongly connected component of each node, by number (Tarjan, without recursion: graphs may be deep). */
function findComponents(dependencies: DependencyGraph): number[] {
  const count = dependencies.length;
  const visitedAt = new Array<number>(count).fill(-1);
  const lowest = new Array<number>(count).fill(0);
  const componentOf = new Array<number>(count).fill(-1);
  const open: number[] = [];
  let clock = 0;
  let components = 0;

  function enter(node: number): void {
    visitedAt[node] = clock;
    lowest[node] = clock;
    clock += 1;
    open.push(node);
  }
  function lower(node: number, value: number | undefined): void {
    lowest[node] = Math.min(lowest[node] ?? 0, value ?? 0);
  }
  function closeComponent(root: number): void {
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      componentOf[node] = components;
      if (node === root) break;
    }
    components += 1;
  }
  function visit(root: number): void {
    const calls = [{ node: root, next: 0 }];
    enter(root);
    for (let call = calls.at(-1); call; call = calls.at(-1)) {
      const dependency = dependencies[call.node]?.[call.next];
      call.next += 1;
      if (dependency === undefined) {
        calls.pop();
        if (lowest[call.node] === visitedAt[call.node]) closeComponent(call.node);
        const caller = calls.at(-1);
        if (caller) lower(caller.node, lowest[call.node]);
      } else if (visitedAt[dependency] === -1) {
        enter(dependency);
        calls.push({ node: dependency, next: 0 });
      } else if (componentOf[dependency] === -1) {
        lower(call.node, visitedAt[dependency]);
      }
    }
  }
  for (let node = 0; node < count; node += 1) if (visitedAt[node] === -1) visit(node);
  return componentOf;
}
