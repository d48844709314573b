/// <reference lib="webworker" />
import { findWebGl, findWebGpu, useBackend } from '@saccade/backends/browser';
import type { BackendName } from '@saccade/backends/names';
import { packages } from 'virtual:saccade-packages';
import type { Job } from '../compare/jobs.ts';
import { perform } from '../compare/perform.ts';
import { gpuGauge, NO_GAUGE } from '../engine/memory.ts';
import { loadImages } from './load-images.ts';
import type { Answer, Order } from './messages.ts';
import { Pauses } from './pauses.ts';

const pauses = new Pauses();

// A worker does one job, and is then ended by the page.
self.addEventListener('message', ({ data: order }: MessageEvent<Order>) => {
  pauses.set(order.paused);
  if (!('job' in order)) return;
  work(order.job, order.threads).then(
    (outcome) => answer({ outcome }),
    (error: unknown) => answer({ error: error instanceof Error ? error.message : String(error) }),
  );
});

function work(job: Job, threads: number) {
  return perform(job, {
    packages,
    startBackend: async (choice, training) => {
      const name = choice === 'auto' ? await fastest() : choice;
      return useBackend(name, { training, threads: name === 'wasm' ? threads : 1, onLost: (reason) => answer({ error: reason, lost: true }) });
    },
    gaugeFor: ({ name }) => (name === 'webgpu' || name === 'webgl' ? gpuGauge() : NO_GAUGE),
    loadImages,
    watch: pauses,
    onProgress: (progress) => answer({ progress }),
  });
}

/** The fastest hardware: software renderers are used only when asked for by name. */
async function fastest(): Promise<BackendName> {
  if ((await findWebGpu())?.software === false) return 'webgpu';
  return findWebGl()?.software === false ? 'webgl' : 'wasm';
}

function answer(message: Answer): void {
  self.postMessage(message);
}
