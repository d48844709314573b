import { findWebGl, findWebGpu } from '@saccade/backends/browser';
import type { BackendName } from '@saccade/backends/names';
import { packages } from 'virtual:saccade-packages';
import { compare } from '../compare/compare.ts';
import { environmentOf } from '../compare/environment.ts';
import type { Crew } from '../compare/jobs.ts';
import { failureRows, fieldOf, planOf, type Field, type Request } from '../compare/plan.ts';
import { DEFAULT_SHAPES } from '../entry.ts';
import { BenchError } from '../errors.ts';
import type { Result, Run } from '../report/schema.ts';
import { clockWithout } from './clock.ts';
import { GpuLost, workerCrew } from './crew.ts';
import { loadImages } from './load-images.ts';
import { machine, measured } from './machine.ts';
import { Pauses } from './pauses.ts';

/** A backend as this browser has it. */
export interface Device {
  readonly backend: BackendName;
  /** The GPU, or `CPU`; null where the backend cannot be had. */
  readonly device: string | null;
  /** True where a CPU plays the GPU: right numbers, meaningless timings. */
  readonly software: boolean;
  /** Why it cannot be had; null where it can. */
  readonly missing: string | null;
  /** The most threads it can have: more than 1 on wasm alone. */
  readonly maxThreads: number;
}

/** What a page asks to be measured. */
export interface PageRequest extends Request {
  readonly command: 'compare' | 'latency' | 'accuracy';
  readonly backend: BackendName;
  readonly threads: number;
}

/**
 * How a run stands. `paused`: its tab lies hidden. `lost`: the GPU was lost, which `reason` says more of; `resume` goes on with what was under way.
 */
export type RunStatus = 'running' | 'paused' | 'lost' | 'done' | 'cancelled' | 'failed';

export interface RunState {
  readonly status: RunStatus;
  /** What is being measured. */
  readonly label: string;
  /** Of the whole run, 0 to 1. */
  readonly fraction: number;
  /** The time left, in milliseconds; null until it is known. */
  readonly leftMs: number | null;
  readonly results: readonly Result[];
  /** Why it is lost or has failed. */
  readonly reason: string | null;
}

export interface RunningRun {
  /** Ends it; what was measured stays. */
  cancel(): void;
  /** Goes on after the GPU was lost. */
  resume(): void;
  /** The whole run, cancelled ones included (`environment.interrupted`); null where nothing could be measured. Never rejects. */
  readonly finished: Promise<Run | null>;
}

/** A block that can be chosen. */
export interface Choice {
  readonly block: string;
  /** `@saccade/se` */
  readonly package: string;
  /** The maps that it is timed at by default, `[N, H, W, C]`. */
  readonly shapes: readonly (readonly number[])[];
}

/** Where the server has the images that networks are trained on. */
const IMAGES = '/data';

let field: Promise<Field> | undefined;

/** The blocks that can be chosen. */
export async function listChoices(): Promise<Choice[]> {
  const { participants } = await loadField();
  return participants.map(({ subject, entry }) => ({ block: subject.block, package: subject.package, shapes: entry.shapes ?? DEFAULT_SHAPES }));
}

/** The backends, those that this browser lacks included. */
export async function findDevices(): Promise<Device[]> {
  const [gpu, gl] = [await findWebGpu(), findWebGl()];
  const secure = globalThis.isSecureContext;
  const maxThreads = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const one = { maxThreads: 1, missing: null };
  const none = { device: null, software: false, maxThreads: 1 };
  return [
    gpu
      ? { backend: 'webgpu', ...gpu, ...one }
      : { backend: 'webgpu', ...none, missing: secure ? 'this browser has none' : 'needs HTTPS or localhost' },
    gl ? { backend: 'webgl', ...gl, ...one } : { backend: 'webgl', ...none, missing: 'this browser has no WebGL 2' },
    { backend: 'wasm', device: 'CPU', software: false, missing: null, maxThreads },
    { backend: 'cpu', device: 'CPU', software: false, ...one },
  ];
}

/** Measures what is asked for, in workers, and tells how it stands at each change. */
export function startRun(request: PageRequest, onChange: (state: RunState) => void): RunningRun {
  const abort = new AbortController();
  const cancelled = new BenchError('Cancelled.');
  const pauses = new Pauses();
  const retry = new Pauses();
  let state: RunState = { status: 'running', label: '', fraction: 0, leftMs: null, results: [], reason: null };
  const update = (change: Partial<RunState>) => onChange((state = { ...state, ...change }));
  const onVisibility = () => {
    pauses.set(document.hidden);
    if (state.status === 'running' || state.status === 'paused') update({ status: document.hidden ? 'paused' : 'running' });
  };

  const onLost = async ({ message }: GpuLost) => {
    update({ status: 'lost', reason: message });
    retry.set(true);
    await Promise.race([retry.calm(), aborted(abort.signal)]);
    update({ status: document.hidden ? 'paused' : 'running', reason: null });
  };

  const endedBy = ({ message }: Error): Partial<RunState> => (abort.signal.aborted ? { status: 'cancelled' } : { status: 'failed', reason: message });

  const run = async (): Promise<Run | null> => {
    document.addEventListener('visibilitychange', onVisibility);
    onVisibility();
    const startedAt = new Date();
    const crew = untilNotLost(workerCrew({ threads: request.threads, pauses }), onLost);
    const clock = clockWithout(pauses);
    const results = new Map<string, Result>();
    let failure: Error | null = null;
    try {
      const options = { signal: abort.signal };
      const probe = await crew({ job: 'probe', backend: request.backend }, options);
      const entrants = await loadField();
      const plan = planOf(request, probe.name, entrants, IMAGES);
      const data = plan.accuracy.length > 0 ? (await loadImages(IMAGES)).name : null;
      if (!request.blocks) for (const row of failureRows(entrants, probe.name)) results.set(row.block, row);
      const start = clock();
      const onProgress = (label: string, leftMs: number) => {
        const left = Math.max(0, leftMs);
        const spent = clock() - start;
        // What takes longer than planned must not move the bar back.
        update({ label, leftMs: left, fraction: Math.max(state.fraction, spent / Math.max(1, spent + left)) });
      };
      const keep = {
        set: (key: string, result: Result) => {
          results.set(key, result);
          update({ results: [...results.values()] });
        },
      };
      try {
        await compare(plan, { crew, clock, onProgress, ...options }, keep);
      } catch (error) {
        failure = error as Error;
      }
      const course = { startedAt, budgetMs: plan.budgetMs, command: [location.search], data, interrupted: failure !== null };
      const environment = environmentOf(probe, course, await machine(), await measured());
      if (failure) update(endedBy(failure));
      else update({ status: 'done', fraction: 1, leftMs: 0 });
      return { environment, results: [...results.values()] };
    } catch (error) {
      update(endedBy(error as Error));
      return null;
    } finally {
      document.removeEventListener('visibilitychange', onVisibility);
    }
  };
  return { cancel: () => abort.abort(cancelled), resume: () => retry.set(false), finished: run() };
}

/** A crew that does a job again when the GPU was lost under it, once `onLost` is over. */
function untilNotLost(crew: Crew, onLost: (error: GpuLost) => Promise<void>): Crew {
  const again: Crew = async (job, options) => {
    try {
      return await crew(job, options);
    } catch (error) {
      if (!(error instanceof GpuLost)) throw error;
      await onLost(error);
      return again(job, options);
    }
  };
  return again;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function loadField(): Promise<Field> {
  return (field ??= fieldOf(packages));
}
