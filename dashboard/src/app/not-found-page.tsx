import { Compass } from "lucide-react";
import { ButtonLink } from "../components/button.js";
import { PageHeader } from "../components/page-header.js";
import { EmptyState } from "../components/states.js";
import { PAGE_PATHS } from "./page-paths.js";

/** For a path that no page has. */
export function NotFoundPage() {
  return (
    <>
      <PageHeader title="Not found" />
      <EmptyState
        icon={Compass}
        title="There is no page at this address"
        action={<ButtonLink to={PAGE_PATHS.home}>Go to Home</ButtonLink>}
      >
        It may have been moved, or the link was cut short.
      </EmptyState>
    </>
  );
}
