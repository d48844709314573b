import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Form, Inputs } from '../kernel.js';
import { kernelSteps, type PlanesAttrs, type PlanesInputs } from '../planes.js';
import { FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { addressOrNone, layers } from './layers.js';

// Rows a call: few enough that what they see stays in the inner caches, and for V8, which cannot exchange the code of a call that runs, to soon run
// what it optimised.
const GROUP = 16;

/** The kernel on wasm. */
export const wasmPlanes: Form<WasmBackend, PlanesInputs, PlanesAttrs> = { canRun: layers.canRun, run };

function run(backend: WasmBackend, inputs: Inputs<PlanesInputs>, attrs: PlanesAttrs): TensorInfo {
  const program = layers.on(backend);
  const { planes, images, height, width, from, rows, kernelHeight, kernelWidth, epsilon, shape } = attrs;
  const pitch = program.planePitch(width, kernelWidth);
  const planeBytes = program.planeBytes(Math.min(rows, GROUP), kernelHeight, pitch);
  const { down, across } = kernelSteps(attrs);
  return withScratch(backend, planes * planeBytes, 'convolvePlanes', (padded) => {
    const out = backend.makeOutput(shape, 'float32');
    const at = (x: TensorInfo | undefined) => addressOrNone(backend, x);
    const [gamma, beta, mean, variance] = [at(inputs.gamma), at(inputs.beta), at(inputs.mean), at(inputs.variance)];
    const [start, kernel, result] = [at(inputs.planes), at(inputs.kernel), at(out)];
    for (let image = 0; image < images; image++) {
      for (let row = 0; row < rows; row += GROUP) {
        for (let plane = 0; plane < planes; plane++) {
          const first = start + ((plane * images + image) * height + from) * width * FLOAT_BYTES;
          const to = padded + plane * planeBytes;
          program.padPlane(first, rows, width, row - (kernelHeight - 1) / 2, (kernelWidth - 1) / 2, pitch, to, to + planeBytes);
        }
        program.convolvePlanes(
          padded,
          planes,
          planeBytes,
          pitch,
          kernel,
          kernelHeight,
          kernelWidth,
          down * FLOAT_BYTES,
          across * FLOAT_BYTES,
          gamma,
          beta,
          mean,
          variance,
          epsilon,
          result + (image * rows + row) * width * FLOAT_BYTES,
          Math.min(GROUP, rows - row),
          width,
        );
      }
    }
    return out;
  });
}
