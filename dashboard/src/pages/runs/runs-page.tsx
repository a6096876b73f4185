import { PageHeader } from "../../components/page-header.js";

/** Runs. */
export function RunsPage() {
  return <PageHeader title="Runs" />;
}
