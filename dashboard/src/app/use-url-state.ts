import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";

/**
 * State of a view that the URL holds, all of it text; what is not in the URL has its default. `set` changes some of it:
 * `undefined` and defaults leave the URL. It replaces the entry of the history, so that Back leaves the page.
 */
export function useUrlState<Name extends string>(
  defaults: Readonly<Record<Name, string>>,
): [Readonly<Record<Name, string>>, (changes: Partial<Record<Name, string | undefined>>) => void] {
  const [search, setSearch] = useSearchParams();
  const text = search.toString();
  const shape = JSON.stringify(defaults);
  const state = useMemo(() => {
    const given = new URLSearchParams(text);
    const known = JSON.parse(shape) as Record<Name, string>;
    const names = Object.keys(known) as Name[];
    return Object.fromEntries(names.map((name) => [name, given.get(name) ?? known[name]])) as Record<
      Name,
      string
    >;
  }, [text, shape]);
  const set = useCallback(
    (changes: Partial<Record<Name, string | undefined>>) => {
      const known = JSON.parse(shape) as Record<string, string>;
      setSearch(
        (before) => {
          const next = new URLSearchParams(before);
          for (const [name, value] of Object.entries<string | undefined>(changes)) {
            if (value === undefined || value === known[name]) next.delete(name);
            else next.set(name, value);
          }
          return next;
        },
        { replace: true },
      );
    },
    [shape, setSearch],
  );
  return [state, set];
}
