interface Columns {
  dates: string[];
  wind: number[];
}

const SEASONS = ["winter", "spring", "summer", "autumn"] as const;

/** Mean and strongest wind by season (metres per second). */
export function main({ cities }: { cities: Record<string, Columns> }) {
  const byCity: Record<string, Record<string, { mean: number; strongest: number }>> = {};
  for (const [city, days] of Object.entries(cities)) {
    const groups = new Map<string, number[]>();
    days.dates.forEach((date, index) => {
      const season = SEASONS[Math.floor((Number(date.slice(5, 7)) % 12) / 3)] ?? "winter";
      groups.set(season, [...(groups.get(season) ?? []), days.wind[index] ?? 0]);
    });
    byCity[city] = Object.fromEntries(
      [...groups].map(([season, values]) => [
        season,
        {
          mean: Number((values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(2)),
          strongest: Math.max(...values),
        },
      ]),
    );
    console.log(`${city}: strongest ${Math.max(...days.wind)} m/s`);
  }
  return { byCity };
}
