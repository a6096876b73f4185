import type { NextFunction, Request, Response } from "express";
import { AppError } from "../../errors/app-error.js";
import { isOnAppsOrigin } from "./judge-app-request.js";

/**
 * The origin that apps have of their own serves nothing else: an app's page there is of the same origin, and could
 * read whatever else it served to the person who looks at it.
 */
export function guardAppsOrigin(appsUrl: string | undefined) {
  return (request: Request, _response: Response, next: NextFunction): void => {
    const isForeign = isOnAppsOrigin(request, appsUrl) && !request.path.startsWith("/apps/");
    next(isForeign ? new AppError("NOT_FOUND", "This origin serves apps alone") : undefined);
  };
}
