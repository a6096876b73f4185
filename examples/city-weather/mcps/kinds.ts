import { progress } from "headrace";

interface Columns {
  kinds: string[];
}

/** How often each kind of weather occurs, in percent of the days, most frequent first. */
export function main({ cities }: { cities: Record<string, Columns> }) {
  const byCity: Record<string, { kind: string; percent: number }[]> = {};
  const names = Object.keys(cities);
  names.forEach((city, index) => {
    const kinds = cities[city]?.kinds ?? [];
    const counts = new Map<string, number>();
    for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    byCity[city] = [...counts]
      .map(([kind, count]) => ({ kind, percent: Math.round((count / kinds.length) * 1000) / 10 }))
      .sort((one, other) => other.percent - one.percent);
    console.log(`${city}: mostly ${byCity[city]?.[0]?.kind}`);
    progress((index + 1) / names.length, city);
  });
  return { byCity };
}
