import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { AffineAttrs, AffineInputs } from '../affine.js';
import type { Form, Inputs } from '../kernel.js';
import { kindOf } from './activation.js';
import { addressOf, FLOAT_BYTES, type WasmBackend } from './backend.js';
import { layers, withFolded } from './layers.js';

/** The kernel on wasm. */
export const wasmAffine: Form<WasmBackend, AffineInputs, AffineAttrs> = { canRun: layers.canRun, run };

// About so many values a call, for V8, which cannot exchange the code of a call that runs, to soon run what it optimised.
const GROUP = 2 ** 14;

function run(backend: WasmBackend, { x, ...folded }: Inputs<AffineInputs>, { epsilon, activation }: AffineAttrs): TensorInfo {
  const channels = x.shape.at(-1)!;
  return withFolded(backend, folded, epsilon, channels, 0, 'affine', (scratch) => {
    const out = backend.makeOutput(x.shape, 'float32');
    mapAffinely(backend, addressOf(backend, x), sizeOf(x.shape), channels, kindOf(activation), scratch, addressOf(backend, out));
    return out;
  });
}

/** Maps so many values, which begin where channels do, to `out`, which may be where they are, with the factors and offsets in the scratch space. */
export function mapAffinely(backend: WasmBackend, x: number, size: number, channels: number, kind: number, scratch: number, out: number): void {
  const { affine, period } = layers.on(backend);
  const step = Math.ceil(GROUP / period(channels)) * period(channels);
  for (let at = 0; at < size; at += step) {
    affine(x + at * FLOAT_BYTES, Math.min(step, size - at) * FLOAT_BYTES, channels, kind, scratch, out + at * FLOAT_BYTES);
  }
}
