import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { BlendInputs, BlendRule } from '../blend.js';
import type { Form, Inputs } from '../kernel.js';
import { addressOf, FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { gateProgram } from './scale-gate.js';
import { forEachPiece, walkOf } from './scale-walk.js';
import { scaleProgram } from './scale.js';

/** The kernel on wasm. */
export const wasmBlend: Form<WasmBackend, BlendInputs, BlendRule> = {
  canRun: (backend) => scaleProgram.canRun(backend) && gateProgram.canRun(backend),
  fits: ({ weights }) => weights.shape[1]! > 1,
  run,
};

function run(backend: WasmBackend, { weights, ...inputs }: Inputs<BlendInputs>, { softmax }: BlendRule): TensorInfo {
  const { scalePair } = scaleProgram.on(backend);
  const { constantBytes, storeConstants, softmaxOfRows } = gateProgram.on(backend);
  const [images, branches, channels] = weights.shape;
  const maps = Array.from({ length: branches }, (_, i) => (inputs as Inputs<BlendInputs>)[`branch${i}`]);
  const rowBytes = channels * FLOAT_BYTES;
  return withScratch(backend, constantBytes() + sizeOf(weights.shape) * FLOAT_BYTES, 'blend', (scratch) => {
    const out = backend.makeOutput(maps[0].shape, 'float32');
    const [from, to, ...sources] = [weights, out, ...maps].map((tensor) => addressOf(backend, tensor));
    const own = scratch + constantBytes();
    if (softmax) {
      storeConstants(scratch);
      for (let i = 0; i < images; i++) softmaxOfRows(from + i * branches * rowBytes, branches, channels, own + i * branches * rowBytes, scratch);
    }
    forEachPiece(walkOf(out.shape, []), ({ image, positions, at }) => {
      const weight = (branch: number) => (softmax ? own : from) + (image * branches + branch) * rowBytes;
      scalePair(sources[0] + at, sources[1] + at, positions, channels, weight(0), weight(1), to + at);
      for (let branch = 2; branch < branches; branch++) scalePair(sources[branch] + at, to + at, positions, channels, weight(branch), 0, to + at);
    });
    return out;
  });
}
