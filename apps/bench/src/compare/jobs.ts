import type { BackendInUse, BackendName } from '@saccade/backends/names';
import type { Training } from '../engine/accuracy.ts';
import type { Latency } from '../engine/latency.ts';
import type { PeerName } from '../peers/names.ts';
import type { TaskName } from '../tasks/names.ts';

/** A backend, or `auto`: the fastest hardware that there is. */
export const BACKEND_CHOICES = ['auto', 'webgpu', 'webgl', 'wasm', 'cpu'] as const;
export type BackendChoice = (typeof BACKEND_CHOICES)[number];

/** What is measured: a block of a package, or one of core's primitives. */
export interface Subject {
  readonly kind: 'block' | 'primitive';
  readonly package: string;
  readonly block: string;
}

/** Finds out which backend there is, and how fast it copies. */
export interface ProbeJob {
  readonly job: 'probe';
  readonly backend: BackendChoice;
}

export interface LatencyJob {
  readonly job: 'latency';
  readonly backend: BackendName;
  readonly subject: Subject;
  readonly shape: readonly number[];
  /** Whether the baseline is left out. Default: no. */
  readonly alone?: boolean;
  /** Libraries that the block is compared with, where it has a graph for them. Default: none. */
  readonly peers?: readonly PeerName[];
  readonly timeMs: number;
}

/** One training: a block, or none, and a seed. */
export interface TrainingJob {
  readonly job: 'training';
  readonly backend: BackendName;
  readonly subject: Subject | null;
  readonly task: TaskName;
  /** The images, by the name that the host knows them by: a folder in Node, an address in a browser. */
  readonly data: string;
  readonly seed: number;
  readonly epochs: number;
  /** Where the trained network is saved. Default: nowhere. */
  readonly saveTo?: string;
}

/** A measurement that is made in a process, or a worker, of its own. */
export type Job = ProbeJob | LatencyJob | TrainingJob;

export interface Probe extends BackendInUse {
  /** What a copy of a large tensor reads and writes in a second. */
  readonly copyBytesPerSecond: number;
}

export interface JobOutcome {
  readonly probe: Probe;
  readonly latency: Latency;
  readonly training: Training;
}

/** What the process or worker of a job tells the one that started it. */
export type Message = { readonly progress: number } | { readonly outcome: JobOutcome[Job['job']] } | Failure;

export interface Failure {
  readonly error: string;
  /** True where the GPU was lost, which says nothing of the job: it can be done again. */
  readonly lost?: boolean;
}

export interface JobOptions {
  /** Ends the job at once. */
  readonly signal: AbortSignal;
  /** Ends the job after so many milliseconds. */
  readonly timeoutMs?: number;
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Does a job where nothing of earlier ones is left: a first run is a first run, memory is its own, and a crash ends nothing else.
 *
 * @throws JobFailure where the job fails, takes too long or dies; the signal's reason where it is aborted
 */
export type Crew = <J extends Job>(job: J, options: JobOptions) => Promise<JobOutcome[J['job']]>;
