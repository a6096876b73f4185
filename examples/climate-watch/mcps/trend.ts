/** Degrees per decade since 1980: the slope of a least-squares line. */
export function main({ csv }: { csv: string }) {
  const points = csv
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(",").map(Number) as [number, number])
    .filter(([year]) => year >= 1980);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanYear = mean(points.map(([year]) => year));
  const meanTemperature = mean(points.map(([, degrees]) => degrees));
  const covariance = points.reduce((sum, [year, degrees]) => sum + (year - meanYear) * (degrees - meanTemperature), 0);
  const variance = points.reduce((sum, [year]) => sum + (year - meanYear) ** 2, 0);
  const perDecade = Math.round((covariance / variance) * 1000) / 100;
  console.log(`${points.length} years, ${perDecade} °C per decade`);
  return { perDecade, years: points.length };
}
