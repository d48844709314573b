import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import { addressOf, FLOAT_BYTES, wasmKernel, withScratch } from './backend.js';
import { CONVOLVE } from './convolve-binary.js';
import { program } from './program.js';

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

/** The tensors of a convolution. */
export interface DirectInputs {
  /** `[N, H, W, inputs]` */
  readonly x: Tensor4D;
  /** `[k, k, inputs / groups, filters]` */
  readonly kernel: Tensor4D;
  /** `[filters]`, or none: multiplies what each filter gives, before the bias. */
  readonly factor: Tensor1D | undefined;
  /** `[filters]`, or none */
  readonly bias: Tensor1D | undefined;
}

/** What there is to know of a convolution beside its tensors. */
export interface DirectGeometry {
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
  readonly groups: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

const LANES = 8;

const convolve = program<Convolve>(CONVOLVE);

/** Whether {@link directConvolution} can run. */
export const canConvolve = convolve.canRun;

/**
 * A convolution with groups, stride and dilation in one pass, with no gradient. It takes about two thirds of XNNPACK's time; with many
 * groups, which XNNPACK gets one by one, a tenth.
 *
 * @returns `[N, outHeight, outWidth, filters]`
 */
export function directConvolution(inputs: DirectInputs, geometry: DirectGeometry): Tensor4D {
  return kernel(inputs, geometry) as Tensor4D;
}

const kernel = wasmKernel<DirectInputs, DirectGeometry>('SaccadeConvolve', ({ x, kernel, factor, bias }, backend, geometry) => {
  const { panelBytes, pack, convolve: convolvePanel } = convolve.on(backend);
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
});
