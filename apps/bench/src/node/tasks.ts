import type { BackendInUse } from '@saccade/backends';
import type { Training } from '../engine/accuracy.ts';
import type { Latency } from '../engine/latency.ts';
import type { BackendChoice } from './backend.ts';

/** What is measured: a block of a package, or one of core's primitives. */
export interface Subject {
  readonly kind: 'block' | 'primitive';
  readonly package: string;
  readonly block: string;
}

/** Finds out which backend there is. */
export interface ProbeTask {
  readonly task: 'probe';
  readonly backend: BackendChoice;
}

export interface LatencyTask {
  readonly task: 'latency';
  readonly backend: BackendChoice;
  readonly subject: Subject;
  readonly shape: readonly number[];
  readonly timeMs: number;
}

/** One training: a block, or none, and a seed. */
export interface AccuracyTask {
  readonly task: 'accuracy';
  readonly backend: BackendChoice;
  readonly subject: Subject | null;
  readonly dataDir: string;
  readonly seed: number;
  readonly epochs: number;
}

/** A measurement that is made in a process of its own. */
export type Task = ProbeTask | LatencyTask | AccuracyTask;

export interface TaskOutcome {
  readonly probe: BackendInUse;
  readonly latency: Latency;
  readonly accuracy: Training;
}

/** What a worker tells the process that started it. */
export type Message = { readonly progress: number } | { readonly outcome: TaskOutcome[Task['task']] } | { readonly error: string };
