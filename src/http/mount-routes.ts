import { type Request, type Response, Router } from "express";
import { AppError } from "../errors/app-error.js";
import { toStrict } from "./field-faults.js";
import { contextOf } from "./request-context.js";
import type { RouteDefinition } from "./route.js";
import { type ServeDeps, serveRoute } from "./serve-route.js";

/**
 * An Express router over the route table. Paths are matched exactly: upper and lower case differ, and so does a
 * slash at the end. A known path with another method is 405 with `Allow`.
 * @throws Error when two routes have the same method and path.
 */
export function mountRoutes(routes: readonly RouteDefinition[], deps: ServeDeps): Router {
  const router = Router({ caseSensitive: true, strict: true });
  for (const [path, routesOfPath] of groupByPath(routes)) {
    const mounted = router.route(path);
    for (const route of routesOfPath) {
      const strict: RouteDefinition = {
        ...route,
        ...(route.query ? { query: toStrict(route.query) } : {}),
        ...(route.body ? { body: toStrict(route.body) } : {}),
      };
      mounted[route.method](async (request: Request, response: Response) => {
        await serveRoute(strict, deps, request, response);
      });
    }
    const allow = allowedMethods(routesOfPath);
    mounted.all((request: Request, response: Response) => {
      contextOf(request).route = path;
      refuseMethod(request, response, allow);
    });
  }
  return router;
}

/** Answers OPTIONS; @throws AppError METHOD_NOT_ALLOWED for every other method. */
function refuseMethod(request: Request, response: Response, allow: string): void {
  if (request.method === "OPTIONS") {
    response.setHeader("Allow", allow);
    response.status(204).end();
    return;
  }
  throw new AppError("METHOD_NOT_ALLOWED", `This path takes ${allow}`, { headers: { Allow: allow } });
}

function allowedMethods(routes: readonly RouteDefinition[]): string {
  const methods = routes.map((route) => route.method.toUpperCase());
  return [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
}

/** Paths with what shares them; fixed ones before those with parameters, so that `/x/verify` is not an `/x/:id`. */
function groupByPath(routes: readonly RouteDefinition[]): [string, RouteDefinition[]][] {
  const groups = new Map<string, RouteDefinition[]>();
  for (const route of routes) {
    const group = groups.get(route.path) ?? [];
    if (group.some((other) => other.method === route.method)) {
      throw new Error(`two routes for ${route.method} ${route.path}`);
    }
    groups.set(route.path, [...group, route]);
  }
  const rank = (path: string) =>
    path.replaceAll(/\/:[^/]+/g, "/\uffff").replaceAll(/\/\*[^/]+/g, "/\uffff\uffff");
  return [...groups].sort(([one], [other]) => (rank(one) < rank(other) ? -1 : 1));
}
