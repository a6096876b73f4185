/** Other systems that install from npm, in the order in which they are measured. */
export const PEERS = ["n8n", "restate", "dbos"] as const;
export type PeerName = (typeof PEERS)[number];
