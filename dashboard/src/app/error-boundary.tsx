import { Component, type ReactNode } from "react";
import { ErrorPanel } from "../components/states.js";

/** Keeps a fault in one part of the console from taking the rest along. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, { readonly error: unknown }> {
  override state: { readonly error: unknown } = { error: undefined };

  /** React's hook: what is shown from now on. */
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <ErrorPanel
        error={error}
        title="This part of the console has failed"
        onRetry={() => {
          // after an update of the server, code that this page names is gone: only a reload finds the new one
          if (isStaleCode(error)) location.reload();
          else this.setState({ error: undefined });
        }}
      />
    );
  }
}

function isStaleCode(error: unknown): boolean {
  return error instanceof TypeError && /dynamically imported module|module script/i.test(error.message);
}
