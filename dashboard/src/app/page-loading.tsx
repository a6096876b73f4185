import { Skeleton } from "../components/states.js";

/** What stands where a page's code is still on its way. */
export function PageLoading() {
  return <Skeleton lines={6} height={18} />;
}
