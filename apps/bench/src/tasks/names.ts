/** What networks are trained on, with each block and with none. */
export const TASKS = ['clothes', 'scenes', 'pathfinder', 'where'] as const;
export type TaskName = (typeof TASKS)[number];
