/** Every channel and what travels on it. Messages are hints: PostgreSQL has the facts. */
export interface PubSubChannels {
  /** Runs whose sequence moved: the newest `seq` of each, and whether a `run.*` event is among the new ones. */
  "run-events": {
    readonly runs: readonly { readonly runId: string; readonly seq: number; readonly isRunEvent: boolean }[];
  };
  /** The API wants tools listed: workers look for requests in PostgreSQL. */
  "tool-listings": { readonly type: "wanted" };
  /** What a Model Context Protocol client has posted about a call that another process may have; short. */
  "mcp-messages": {
    readonly kind: "answer" | "cancel";
    readonly key: string;
    readonly owner: string;
    readonly message: object;
  };
  /** Orders to every worker: to end what runs of a run, as far as its steps come before `below`; to look at an app's row. */
  control:
    | { readonly type: "stop-run"; readonly runId: string; readonly below: number }
    | { readonly type: "stop-app"; readonly appId: string };
}

/** Stops one subscription. Idempotent. */
export type Unsubscribe = () => Promise<void>;

/**
 * Publish and subscribe between processes: at most once, in order per publisher, no history.
 * One connection per process however many subscribers.
 */
export interface PubSub {
  /** Resolves when the message was handed over. Rejects when the server is out of reach; callers must not fail their work for that. */
  publish<C extends keyof PubSubChannels>(channel: C, message: PubSubChannels[C]): Promise<void>;
  /** Resolves when messages published from now on will arrive. A throwing listener harms no other. */
  subscribe<C extends keyof PubSubChannels>(
    channel: C,
    listener: (message: PubSubChannels[C]) => void,
  ): Promise<Unsubscribe>;
  /** Called after a lost connection is back: subscribers should read what they missed from PostgreSQL. */
  onReconnect(listener: () => void): void;
  close(): Promise<void>;
}
