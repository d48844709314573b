import { spawnSync } from 'node:child_process';
import type { BackendName } from '@saccade/backends/names';
import { UsageError } from '../errors.ts';
import type { PeerName } from './names.ts';

/** The Python that is looked for torch. */
export const PYTHON = 'python3';

/**
 * Checks that libraries can be compared with a backend here.
 *
 * @throws UsageError where one cannot, with what it needs
 */
export function checkPeers(peers: readonly PeerName[], backend: BackendName): void {
  if (peers.includes('ort-web') && backend !== 'wasm') {
    throw new UsageError(`--peer ort-web compares wasm with wasm, and the backend is ${backend}. Add --backend wasm.`);
  }
  if (peers.includes('torch')) checkTorch(backend === 'webgpu');
}

function checkTorch(needsCuda: boolean): void {
  const { status, stdout, stderr, error } = spawnSync(PYTHON, ['-c', 'import torch; print(torch.cuda.is_available())'], { encoding: 'utf8' });
  if (error || status !== 0) {
    const reason = error?.message ?? stderr.trim().split('\n').at(-1);
    throw new UsageError(`--peer torch needs a ${PYTHON} on the path that has torch, but: ${reason}. Install it there, or leave --peer torch away.`);
  }
  if (needsCuda && stdout.trim() !== 'True') {
    throw new UsageError(`--peer torch compares webgpu with CUDA, which torch does not find here. Add --backend wasm, which compares with the CPU.`);
  }
}
