/**
 * A reading that is shared by all who ask within `keptMs` of its beginning; one that fails is not kept.
 * For figures that many watch and that cost the same however few look.
 */
export function keepBriefly<Found>(keptMs: number, read: () => Promise<Found>): () => Promise<Found> {
  let last: { readonly at: number; readonly found: Promise<Found> } | undefined;
  return async () => {
    if (last && performance.now() - last.at < keptMs) return await last.found;
    const reading = { at: performance.now(), found: read() };
    last = reading;
    try {
      return await reading.found;
    } catch (error) {
      if (last === reading) last = undefined;
      throw error;
    }
  };
}
