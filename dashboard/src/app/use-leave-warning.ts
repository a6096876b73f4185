import { useEffect } from "react";

/** While `isChanged`, the browser asks before the page is closed or left, so that nothing written is lost unasked. */
export function useLeaveWarning(isChanged: boolean): void {
  useEffect(() => {
    if (!isChanged) return;
    const onUnload = (event: BeforeUnloadEvent) => event.preventDefault();
    // links within the console do not unload: they are asked about here, before the router sees them
    const onClick = (event: MouseEvent) => {
      const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
      const isElsewhere = link?.getAttribute("target") === "_blank" || event.ctrlKey || event.metaKey;
      if (!link || isElsewhere || !link.getAttribute("href")?.startsWith("/")) return;
      if (confirm("Leave without saving? What you changed is lost.")) return;
      event.preventDefault();
      event.stopPropagation();
    };
    addEventListener("beforeunload", onUnload);
    document.addEventListener("click", onClick, { capture: true });
    return () => {
      removeEventListener("beforeunload", onUnload);
      document.removeEventListener("click", onClick, { capture: true });
    };
  }, [isChanged]);
}
