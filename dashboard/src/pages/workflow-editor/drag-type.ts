/** What a palette entry carries while it is dragged. */
export const DRAG_TYPE = "application/x-headrace-step";
