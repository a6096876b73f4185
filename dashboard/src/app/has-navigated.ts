let isNavigated = false;
// wouter tells of pushState by an event of that name
for (const event of ["pushState", "popstate"]) addEventListener(event, () => (isNavigated = true));

/** Whether somebody has gone from one page to another since the console was loaded. */
export function hasNavigated(): boolean {
  return isNavigated;
}
