/** Chance that can be repeated: the same seed gives the same numbers on every machine. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  /** Whether something of this probability happens. */
  happens(probability: number): boolean;
  /** One of some values. */
  pick<Value>(values: readonly Value[]): Value;
  /** The same values in another order. */
  shuffle<Value>(values: readonly Value[]): Value[];
  /** Chance of its own for one purpose: what one part draws does not change what another gets. */
  fork(purpose: string): Random;
}

/** Makes chance from a seed (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    between,
    happens: (probability) => next() < probability,
    pick: <Value>(values: readonly Value[]) => values[between(0, values.length - 1)] as Value,
    shuffle<Value>(values: readonly Value[]) {
      const mixed = [...values];
      for (let at = mixed.length - 1; at > 0; at -= 1) {
        const other = between(0, at);
        [mixed[at], mixed[other]] = [mixed[other] as Value, mixed[at] as Value];
      }
      return mixed;
    },
    fork: (purpose) => createRandom(hash(`${seed}/${purpose}`)),
  };
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}
