/** What is measured of growth and cost, each by itself. */
export const GROWTH_TOPICS = [
  "enqueue",
  "streams",
  "memory",
  "processes",
  "disk",
  "shapes",
  "workers",
  "history",
] as const;
export type GrowthTopic = (typeof GROWTH_TOPICS)[number];
