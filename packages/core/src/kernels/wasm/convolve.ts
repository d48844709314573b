import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { ConvolveGeometry, ConvolveInputs } from '../convolve.js';
import type { Form, Inputs } from '../kernel.js';
import { addressOf, FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { CONVOLVE, CONVOLVE_PLAIN } from './convolve-binary.js';
import { programOf } from './program.js';

/** convolve.as */
interface Convolve {
  readonly panelBytes: (taps: number, depth: number) => number;
  readonly pack: (kernel: number, taps: number, depth: number, filters: number, lanes: number, factor: number, bias: number, panel: number) => void;
  readonly convolve: (
    x: number,
    height: number,
    width: number,
    inputs: number,
    panel: number,
    k: number,
    depth: number,
    lanes: number,
    stride: number,
    dilation: number,
    padding: number,
    out: number,
    outHeight: number,
    outWidth: number,
    filters: number,
  ) => void;
}

const LANES = 8;

const program = programOf<Convolve>(CONVOLVE, CONVOLVE_PLAIN);

/** The kernel on wasm. */
export const wasmConvolve: Form<WasmBackend, ConvolveInputs, ConvolveGeometry> = { canRun: program.canRun, run };

function run(backend: WasmBackend, { x, kernel, factor, bias }: Inputs<ConvolveInputs>, geometry: ConvolveGeometry): TensorInfo {
  const { panelBytes, pack, convolve: convolvePanel } = program.on(backend);
  const { stride, dilation, padding, groups, outHeight, outWidth } = geometry;
  const [images, height, width, inputs] = x.shape;
  const [k, , depth, filters] = kernel.shape;
  const share = filters / groups;
  return withScratch(backend, panelBytes(k * k, depth), 'convolve', (panel) => {
    const out = backend.makeOutput([images, outHeight, outWidth, filters], 'float32');
    const [from, to, kernelAt] = [x, out, kernel].map((tensor) => addressOf(backend, tensor));
    const [factors, biases] = [factor, bias].map((tensor) => tensor && addressOf(backend, tensor));
    for (let group = 0; group < groups; group++) {
      const seen = from + group * depth * FLOAT_BYTES;
      for (let filter = group * share; filter < (group + 1) * share; filter += LANES) {
        const lanes = Math.min(LANES, (group + 1) * share - filter);
        const offset = filter * FLOAT_BYTES;
        const at = (start: number | undefined) => (start === undefined ? 0 : start + offset);
        pack(kernelAt + offset, k * k, depth, filters, lanes, at(factors), at(biases), panel);
        for (let i = 0; i < images; i++) {
          const image = seen + i * height * width * inputs * FLOAT_BYTES;
          const result = to + offset + i * outHeight * outWidth * filters * FLOAT_BYTES;
          convolvePanel(image, height, width, inputs, panel, k, depth, lanes, stride, dilation, padding, result, outHeight, outWidth, filters);
        }
      }
    }
    return out;
  });
}
