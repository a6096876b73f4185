import { Suspense } from "react";
import { Route, Router, Switch } from "wouter";
import { SignInPage } from "../pages/sign-in/sign-in-page.js";
import { ErrorBoundary } from "./error-boundary.js";
import { NotFoundPage } from "./not-found-page.js";
import { PAGE_PATHS } from "./page-paths.js";
import { PAGES } from "./pages.js";
import { PageLoading } from "./page-loading.js";
import { Shell } from "./shell.js";

/** The console: the sign-in page, and everything else in the shell. */
export function App() {
  return (
    <ErrorBoundary>
      <Router>
        <Switch>
          <Route path={PAGE_PATHS.signIn} component={SignInPage} />
          <Route>
            <Shell>
              <Suspense fallback={<PageLoading />}>
                <Switch>
                  {PAGES.map(({ path, component: Component }) => (
                    <Route key={path} path={path}>
                      {(params) => (
                        <ErrorBoundary key={JSON.stringify(params)}>
                          <Component params={params as Record<string, string>} />
                        </ErrorBoundary>
                      )}
                    </Route>
                  ))}
                  <Route component={NotFoundPage} />
                </Switch>
              </Suspense>
            </Shell>
          </Route>
        </Switch>
      </Router>
    </ErrorBoundary>
  );
}
