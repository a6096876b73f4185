import { PageHeader } from "../../components/page-header.js";

/** Home. */
export function HomePage() {
  return <PageHeader title="Home" />;
}
