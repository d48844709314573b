import { requestWebGpu, useBackend } from '@saccade/backends';
import type { BackendInUse } from '@saccade/backends/names';
import type { BackendChoice, Job, Message } from '../compare/jobs.ts';
import { perform, type Host } from '../compare/perform.ts';
import { gpuGauge } from '../engine/memory.ts';
import type { Installation } from './installation.ts';
import { loadData } from './load-data.ts';
import { residentGauge } from './memory.ts';
import { writeNetwork } from './networks.ts';

/** Does the one job that the parent process sends, and ends the process. */
export function serve(installation: Installation): void {
  process.once('disconnect', () => process.exit());
  process.once('message', (job: Job) => {
    perform(job, hostOf(installation)).then(
      (outcome) => send({ outcome }),
      (error: unknown) => send({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
}

function send(message: Message): void {
  // Dawn keeps a process alive, so that it must be told to end.
  process.send!(message, () => {
    if (!('progress' in message)) process.exit();
  });
}

function hostOf(installation: Installation): Host {
  const { packages, wasmDir, startPeer } = installation;
  return {
    packages,
    startBackend: (choice, training) => startBackend(choice, { training, wasmDir }),
    gaugeFor: ({ name }) => (name === 'webgpu' ? gpuGauge() : residentGauge()),
    loadImages: async (folder) => loadData(folder),
    save: (trained) => writeNetwork(trained, installation),
    ...(startPeer && { startPeer }),
    onProgress: (progress) => send({ progress }),
  };
}

/** `auto` is WebGPU where there is a hardware adapter, and wasm elsewhere: a software adapter is used only when asked for by name. */
async function startBackend(choice: BackendChoice, options: { training: boolean; wasmDir: string | null }): Promise<BackendInUse> {
  const name = choice === 'auto' ? ((await requestWebGpu(false)) ? 'webgpu' : 'wasm') : choice;
  if (name === 'webgl') throw new Error('The backend webgl needs a browser: add --in chrome.');
  return useBackend(name, options);
}
