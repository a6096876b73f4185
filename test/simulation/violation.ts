/** What must hold after every tick. */
export const INVARIANTS = {
  I1: "what has succeeded never starts again",
  I2: "at most one attempt holds the lease, and only its result counts",
  I3: "terminal states never change",
  I4: "whatever is open has work, a timer, people, or is found by the reconciler",
  I5: "events are numbered 1 to n and come in a legal order",
  I6: "nothing starts before its time, its dependencies and its phase",
  I7: "maxParallel and concurrency.limit are never exceeded",
  I8: "without faults every run ends",
  rows: "rows, letters and counts say the same",
  outcome: "runs and steps end as their definition says",
  crash: "the engine never throws",
} as const;

/** An invariant that does not hold. */
export class Violation extends Error {
  readonly invariant: keyof typeof INVARIANTS;

  constructor(invariant: keyof typeof INVARIANTS, message: string) {
    super(message);
    this.name = "Violation";
    this.invariant = invariant;
  }
}

/** @throws Violation unless `holds`. */
export function ensure(
  holds: boolean,
  invariant: keyof typeof INVARIANTS,
  message: () => string,
): asserts holds {
  if (!holds) throw new Violation(invariant, message());
}

/** What does not hold, and how to see it happen again. */
export function describeViolation(seed: number, { invariant, message }: Violation): string {
  return `Seed ${seed}: ${invariant} does not hold: ${INVARIANTS[invariant]}.
${message}
Again, with all that happens: npm run simulate -- --seed ${seed} --trace`;
}
