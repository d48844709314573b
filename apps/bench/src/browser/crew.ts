import { setDeadline } from '../compare/deadline.ts';
import type { Crew, Job, JobOptions, JobOutcome } from '../compare/jobs.ts';
import { BenchError, JobFailure } from '../errors.ts';
import type { Answer, Order } from './messages.ts';
import type { Pauses } from './pauses.ts';

/** The GPU was lost under a job, which says nothing of the job: it can be done again. */
export class GpuLost extends BenchError {
  override name = 'GpuLost';
}

export interface CrewOptions {
  /** Threads of the wasm backend. */
  readonly threads: number;
  readonly pauses: Pauses;
}

/**
 * Does each job in a Web Worker of its own.
 *
 * @throws {@link GpuLost} where the GPU is lost
 */
export function workerCrew(options: CrewOptions): Crew {
  return (job, jobOptions) => performInWorker(job, options, jobOptions);
}

function performInWorker<J extends Job>(job: J, { threads, pauses }: CrewOptions, options: JobOptions) {
  options.signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<JobOutcome[J['job']]>();
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const tell = (order: Order) => worker.postMessage(order);
  const letGo = setDeadline(options, reject);
  const stopListening = pauses.onChange((paused) => tell({ paused }));
  worker.addEventListener('message', ({ data: answer }: MessageEvent<Answer>) => {
    if ('progress' in answer) options.onProgress?.(answer.progress);
    else if ('outcome' in answer) resolve(answer.outcome as JobOutcome[J['job']]);
    else reject(answer.lost ? new GpuLost(answer.error) : new JobFailure(answer.error));
  });
  worker.addEventListener('error', ({ message }) => reject(new JobFailure(`its worker failed: ${message || 'it could not be loaded'}`)));
  tell({ job, threads, paused: pauses.paused });
  return promise.finally(() => {
    worker.terminate();
    letGo();
    stopListening();
  });
}
