/** What a step's network was used for. */
export interface EgressLog {
  /** A connection to a place; count its bytes on what is returned. */
  open(place: string): EgressCount;
  refuse(place: string, why: string): void;
  /** Tells the sums. Nothing is counted afterwards. */
  finish(): void;
}

/** Bytes that went out to a place and came back. */
export interface EgressCount {
  sent: number;
  received: number;
}

const MOST_PLACES = 40;
const MOST_REFUSALS = 10;
const LONGEST_PLACE = 120;

/** Says each refusal once as it happens, and at the end the places with what was exchanged; so many, and no more. */
export function createEgressLog(notify: (line: string) => void): EgressLog {
  const places = new Map<string, EgressCount & { connections: number }>();
  const refused = new Set<string>();
  const others = { sent: 0, received: 0, connections: 0 };
  return {
    open(place) {
      const shown = place.slice(0, LONGEST_PLACE);
      const known =
        places.get(shown) ??
        (places.size < MOST_PLACES ? { ...others, connections: 0, sent: 0, received: 0 } : others);
      if (known !== others) places.set(shown, known);
      known.connections += 1;
      return known;
    },
    refuse(place, why) {
      const shown = place.slice(0, LONGEST_PLACE);
      if (refused.has(shown) || refused.size >= MOST_REFUSALS) return;
      refused.add(shown);
      notify(`network: ${shown} refused: ${why}`);
    },
    finish() {
      const all = [...places, ...(others.connections > 0 ? [["other places", others] as const] : [])];
      for (const [place, { connections, sent, received }] of all) {
        const times = connections === 1 ? "1 connection" : `${connections} connections`;
        notify(`network: ${place}, ${times}, ${sent} bytes sent, ${received} received`);
      }
      places.clear();
      refused.clear();
    },
  };
}
