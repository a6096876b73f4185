/** A webhook and some nodes in a row that change nothing; answered when the last has ended. */
export function buildN8nWorkflow(path: string, length: number): object {
  const names = ["Webhook", ...Array.from({ length }, (_, index) => `Step ${index + 1}`)];
  const nodes = names.map((name, place) => ({
    id: `${path}-${place}`,
    name,
    position: [place * 200, 0],
    ...(place === 0 ? webhook(path) : STEP),
  }));
  const links = names.slice(0, -1).map((name, place) => {
    const next = { node: names[place + 1] ?? "", type: "main", index: 0 };
    return [name, { main: [[next]] }] as const;
  });
  return {
    id: path,
    name: path,
    active: false,
    nodes,
    connections: Object.fromEntries(links),
    settings: { executionOrder: "v1" },
  };
}

const STEP = {
  type: "n8n-nodes-base.set",
  typeVersion: 3.4,
  parameters: { assignments: { assignments: [] }, includeOtherFields: true, options: {} },
};

function webhook(path: string) {
  return {
    type: "n8n-nodes-base.webhook",
    typeVersion: 2,
    webhookId: path,
    parameters: { httpMethod: "POST", path, responseMode: "lastNode", options: {} },
  };
}
