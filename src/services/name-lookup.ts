/** Says which of some names are those of stored things: secrets, external databases. */
export interface NameLookup {
  existing(names: readonly string[]): Promise<Iterable<string>>;
}

/** Of these names, the ones that nothing is stored under. */
export async function findUnknownNames(
  lookup: NameLookup | undefined,
  names: readonly string[],
): Promise<Set<string>> {
  if (names.length === 0) return new Set();
  const known = new Set(lookup ? await lookup.existing([...new Set(names)]) : []);
  return new Set(names.filter((name) => !known.has(name)));
}
