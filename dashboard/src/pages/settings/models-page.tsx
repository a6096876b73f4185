import { useUrlState } from "../../app/use-url-state.js";
import { PageHeader } from "../../components/page-header.js";
import { Tabs } from "../../components/tabs.js";
import { useMay } from "../../api/use-me.js";
import { BudgetsTab } from "./budgets-tab.js";
import { ProvidersTab } from "./providers-tab.js";
import { UsageTab } from "./usage-tab.js";

const TABS = ["providers", "budgets", "usage"] as const;
type TabId = (typeof TABS)[number];

/** Language models: who offers them, what they may cost, what they have cost. */
export function ModelsPage() {
  const [{ tab }, setView] = useUrlState({ tab: "providers" });
  const mayManage = useMay("llm:manage");
  const open = TABS.find((each) => each === tab) ?? "providers";
  return (
    <>
      <PageHeader title="Language models" />
      <Tabs<TabId>
        label="Language models"
        open={open}
        onOpen={(next) => setView({ tab: next })}
        tabs={[
          { id: "providers", label: "Providers", render: () => <ProvidersTab mayManage={mayManage} /> },
          { id: "budgets", label: "Budgets", render: () => <BudgetsTab mayManage={mayManage} /> },
          { id: "usage", label: "Usage", render: () => <UsageTab /> },
        ]}
      />
    </>
  );
}
