import { QueryClient } from "@tanstack/react-query";
import { isWorthRetrying } from "./problem.js";

/** The one cache of what the server has said. What is shown stays while it is read anew. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      gcTime: 5 * 60_000,
      retry: (count, error) => count < 3 && isWorthRetrying(error),
      retryDelay: (count) => Math.min(8000, 500 * 2 ** count),
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});
