import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** Every metric of one process, on a registry of its own. */
export function createMetrics(options: { collectDefaults: boolean }) {
  const registry = new Registry();
  if (options.collectDefaults) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return { registry, ...createServiceMetrics(registers), ...createEngineMetrics(registers) };
}

function createServiceMetrics(registers: Registry[]) {
  return {
    httpRequestSeconds: new Histogram({
      name: "headrace_http_request_duration_seconds",
      help: "Time to answer a request, by route and status.",
      labelNames: ["method", "route", "status"],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    }),
    streamClients: new Gauge({ name: "headrace_stream_clients", help: "Open event streams.", registers }),
  };
}

function createEngineMetrics(registers: Registry[]) {
  return {
    runsTotal: new Counter({
      name: "headrace_runs_total",
      help: "Runs that ended, by status.",
      labelNames: ["status"],
      registers,
    }),
    stepsTotal: new Counter({
      name: "headrace_steps_total",
      help: "Step attempts that ended, by component type and outcome.",
      labelNames: ["type", "outcome"],
      registers,
    }),
    stepSeconds: new Histogram({
      name: "headrace_step_duration_seconds",
      help: "Time a step attempt ran, by component type.",
      labelNames: ["type"],
      buckets: [0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600, 3600],
      registers,
    }),
    stepsRunning: new Gauge({
      name: "headrace_steps_running",
      help: "Step attempts running in this process.",
      registers,
    }),
    scriptStartsTotal: new Counter({
      name: "headrace_script_starts_total",
      help: "Executions of scripts, by component type and how they got their process: pooled, forked or cold.",
      labelNames: ["type", "start"],
      registers,
    }),
    staleWritesTotal: new Counter({
      name: "headrace_stale_writes_total",
      help: "Results that came with an old fencing token and were refused.",
      registers,
    }),
    flushSeconds: new Histogram({
      name: "headrace_engine_flush_duration_seconds",
      help: "Time of one group commit of engine transitions.",
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2],
      registers,
    }),
    flushTransitions: new Histogram({
      name: "headrace_engine_flush_transitions",
      help: "Transitions in one group commit.",
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    }),
    reconciledTotal: new Counter({
      name: "headrace_reconciled_total",
      help: "Things the reconciler had to mend, by kind.",
      labelNames: ["kind"],
      registers,
    }),
  };
}

/** The metrics of one process. */
export type Metrics = ReturnType<typeof createMetrics>;
