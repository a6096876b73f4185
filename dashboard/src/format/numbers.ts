const UNITS = ["B", "KB", "MB", "GB", "TB"];

/** A size for people: `0 B`, `1.4 KB`, `12 MB` (steps of 1024). */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${UNITS[power] ?? "B"}`;
}

/** A count: with thin groups up to a million, `1.2 M` above. */
export function formatCount(value: number): string {
  if (value >= 1_000_000) return `${(value / 1_000_000).toFixed(1)} M`;
  return Math.round(value).toLocaleString("en-US");
}

/** A share: `99.4 %`, never rounded up to what it is not. */
export function formatShare(share: number): string {
  const percent = Math.floor(share * 1000) / 10;
  return `${Number.isInteger(percent) ? percent : percent.toFixed(1)} %`;
}

/** What calls to models have cost, in the currency of the providers' prices. */
export function formatCost(cost: number): string {
  return cost === 0 ? "0" : cost < 0.01 ? cost.toPrecision(2) : cost.toFixed(2);
}
