import { PageHeader } from "../../components/page-header.js";

/** Run. */
export function RunPage() {
  return <PageHeader title="Run" />;
}
