import {
  engine,
  getKernel,
  registerKernel,
  type KernelConfig,
  type NamedAttrMap,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import { CONVOLVE } from './convolve-binary.js';
import { addressOf, FLOAT_BYTES, program, withScratch, type WasmBackend } from './program.js';

/** convolve.as */
interface Convolve {
  readonly panelBytes: (taps: number, depth: number) => number;
  readonly pack: (kernel: number, taps: number, depth: number, filters: number, lanes: number, bias: number, panel: number) => void;
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

/** What there is to know of a convolution beside its tensors. */
export interface DirectGeometry {
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
  readonly groups: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

type Inputs = Record<'x' | 'kernel', TensorInfo> & { bias?: TensorInfo };

const KERNEL = 'SaccadeConvolve';
const LANES = 8;

const convolve = program<Convolve>(CONVOLVE);

/** Whether {@link directConvolution} can run. */
export const canConvolve = convolve.canRun;

/**
 * A convolution with groups, stride and dilation in one pass, with no gradient. It takes about two thirds of XNNPACK's time; with many
 * groups, which XNNPACK gets one by one, a tenth.
 *
 * @param x `[N, H, W, inputs]`
 * @param kernel `[k, k, inputs / groups, filters]`
 * @param bias `[filters]`, or none
 * @returns `[N, outHeight, outWidth, filters]`
 */
export function directConvolution(x: Tensor4D, kernel: Tensor4D, bias: Tensor1D | undefined, geometry: DirectGeometry): Tensor4D {
  if (!getKernel(KERNEL, 'wasm')) {
    registerKernel({ kernelName: KERNEL, backendName: 'wasm', kernelFunc: run as unknown as KernelConfig['kernelFunc'] });
  }
  const inputs: Record<string, Tensor> = bias ? { x, kernel, bias } : { x, kernel };
  return engine().runKernel(KERNEL, inputs, geometry as unknown as NamedAttrMap);
}

function run({ inputs: { x, kernel, bias }, attrs, backend }: { inputs: Inputs; attrs: DirectGeometry; backend: WasmBackend }): TensorInfo {
  const { panelBytes, pack, convolve: convolvePanel } = convolve.on(backend);
  const { stride, dilation, padding, groups, outHeight, outWidth } = attrs;
  const [images, height, width, inputs] = x.shape;
  const [k, , depth, filters] = kernel.shape;
  const share = filters / groups;
  return withScratch(backend, panelBytes(k * k, depth), 'convolve', (panel) => {
    const out = backend.makeOutput([images, outHeight, outWidth, filters], 'float32');
    const [from, to, kernelAt] = [x, out, kernel].map((tensor) => addressOf(backend, tensor));
    for (let group = 0; group < groups; group++) {
      const seen = from + group * depth * FLOAT_BYTES;
      for (let filter = group * share; filter < (group + 1) * share; filter += LANES) {
        const lanes = Math.min(LANES, (group + 1) * share - filter);
        const offset = filter * FLOAT_BYTES;
        pack(kernelAt + offset, k * k, depth, filters, lanes, bias ? addressOf(backend, bias) + offset : 0, panel);
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
