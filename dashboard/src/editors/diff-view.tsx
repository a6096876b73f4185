import { lazy, Suspense } from "react";
import { Skeleton } from "../components/states.js";
import type { DiffViewProps } from "./diff-editor.js";

const View = lazy(async () => ({ default: (await import("./diff-editor.js")).DiffEditor }));

/** Two texts, with what has changed between them. */
export function DiffView(props: DiffViewProps) {
  return (
    <Suspense fallback={<Skeleton lines={6} />}>
      <View {...props} />
    </Suspense>
  );
}
