import { findWebGl, findWebGpu } from '@saccade/backends/browser';
import type { Job, JobOutcome } from '../compare/jobs.ts';
import { workerCrew } from './crew.ts';
import { machine } from './machine.ts';
import { Pauses } from './pauses.ts';

// What a process that drives this browser calls. Nobody looks at the page: it is never hidden.
const crew = workerCrew({ threads: 1, pauses: new Pauses() });
let ending = new AbortController();

Object.assign(globalThis, {
  saccade: {
    perform: (job: Job): Promise<JobOutcome[Job['job']]> =>
      crew(job, { signal: ending.signal, onProgress: (fraction) => (globalThis as unknown as Callbacks).saccadeProgress(fraction) }),
    end: () => {
      ending.abort(new Error('ended'));
      ending = new AbortController();
    },
    machine,
    hasGpu: async (api: 'webgpu' | 'webgl') => (api === 'webgpu' ? await findWebGpu() : findWebGl())?.software === false,
  },
});

interface Callbacks {
  saccadeProgress(fraction: number): void;
}
