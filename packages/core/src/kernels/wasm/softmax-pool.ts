import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { Form, Inputs } from '../kernel.js';
import type { SoftmaxPoolInputs } from '../softmax-pool.js';
import { addressOf, withScratch, type WasmBackend } from './backend.js';
import { channelPools } from './channel-pools.js';
import { programOf } from './program.js';
import { SOFTMAX_POOL } from './softmax-pool-binary.js';

/** softmax-pool.as */
interface SoftmaxPool {
  readonly scratchBytes: () => number;
  readonly poolSoftmax: (x: number, images: number, rows: number, columns: number, kernel: number, out: number, scratch: number) => void;
}

const program = programOf<SoftmaxPool>(SOFTMAX_POOL, { channelPools });

/** The kernel on wasm. */
export const wasmSoftmaxPool: Form<WasmBackend, SoftmaxPoolInputs> = { canRun: program.canRun, run };

function run(backend: WasmBackend, { x, kernel }: Inputs<SoftmaxPoolInputs>): TensorInfo {
  const { scratchBytes, poolSoftmax } = program.on(backend);
  const [images] = x.shape;
  const channels = x.shape[x.shape.length - 1];
  return withScratch(backend, scratchBytes(), 'softmaxPool', (scratch) => {
    const out = backend.makeOutput([images, channels], 'float32');
    const rows = sizeOf(x.shape) / images / channels;
    poolSoftmax(addressOf(backend, x), images, rows, channels, addressOf(backend, kernel), addressOf(backend, out), scratch);
    return out;
  });
}
