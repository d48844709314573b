import type { Job, Message } from '../compare/jobs.ts';

/** What a worker is told: its job, and then whether the measurement is being disturbed. */
export type Order = { readonly job: Job; readonly threads: number; readonly paused: boolean } | { readonly paused: boolean };

/** What it answers. */
export type Answer = Message;
