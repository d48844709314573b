import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { ConvolveGeometry, ConvolveInputs } from '../convolve.js';
import type { Form, Inputs } from '../kernel.js';
import { isBounds, kindOf } from './activation.js';
import { mapAffinely } from './affine.js';
import { addressOf, FLOAT_BYTES, type WasmBackend } from './backend.js';
import { layers, withFolded } from './layers.js';

/** The kernel on wasm. */
export const wasmConvolve: Form<WasmBackend, ConvolveInputs, ConvolveGeometry> = { canRun: layers.canRun, run };

function run(backend: WasmBackend, { x, kernel, ...folded }: Inputs<ConvolveInputs>, geometry: ConvolveGeometry): TensorInfo {
  const { groups, outHeight, outWidth, epsilon, activation } = geometry;
  const [images, height, width, inputs] = x.shape;
  const [k, , depth, filters] = kernel.shape;
  return withFolded(backend, folded, epsilon, filters, panelBytes(backend, k, depth), 'convolve', (scratch, panel) => {
    const out = backend.makeOutput([images, outHeight, outWidth, filters], 'float32');
    const bytes = { x: height * width * inputs * FLOAT_BYTES, out: outHeight * outWidth * filters * FLOAT_BYTES };
    const at = { x: addressOf(backend, x), kernel: addressOf(backend, kernel), out: addressOf(backend, out) };
    const sizes = { images, height, width, inputs, k, depth, filters, groups };
    convolveMaps(backend, { ...geometry, ...sizes, ...at, bytes, kind: kindOf(activation), scratch, panel });
    return out;
  });
}

/** Of the panel that {@link convolveMaps} works with. */
export function panelBytes(backend: WasmBackend, k: number, depth: number): number {
  return layers.on(backend).panelBytes(k * k, depth);
}

/** A convolution of maps somewhere in the memory. */
interface Maps extends Omit<ConvolveGeometry, 'epsilon' | 'activation'> {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly inputs: number;
  readonly k: number;
  /** Inputs that a filter sees. */
  readonly depth: number;
  readonly filters: number;
  readonly x: number;
  readonly kernel: number;
  readonly out: number;
  /** From one image to the next. */
  readonly bytes: { readonly x: number; readonly out: number };
  /** Of its activation. */
  readonly kind: number;
  /** With the factors and biases of the filters. */
  readonly scratch: number;
  readonly panel: number;
}

const LANES = 8;

export function convolveMaps(backend: WasmBackend, maps: Maps): void {
  const { packFilters, convolveFilters, factorsIn, period } = layers.on(backend);
  const { images, height, width, inputs, k, depth, filters, groups, stride, dilation, padding, outHeight, outWidth } = maps;
  const { kind, scratch, panel } = maps;
  const factors = factorsIn(scratch);
  const biases = factors + period(filters) * FLOAT_BYTES;
  const later = !isBounds(kind);
  const share = filters / groups;
  for (let group = 0; group < groups; group++) {
    const seen = maps.x + group * depth * FLOAT_BYTES;
    for (let filter = group * share; filter < (group + 1) * share; filter += LANES) {
      const lanes = Math.min(LANES, (group + 1) * share - filter);
      const offset = filter * FLOAT_BYTES;
      packFilters(maps.kernel + offset, k * k, depth, filters, lanes, later ? 0 : factors + offset, later ? 0 : biases + offset, panel);
      for (let i = 0; i < images; i++) {
        const image = seen + i * maps.bytes.x;
        const result = maps.out + offset + i * maps.bytes.out;
        convolveFilters(image, height, width, inputs, panel, k, depth, lanes, stride, dilation, padding, result, outHeight, outWidth, filters, kind);
      }
    }
  }
  const size = outHeight * outWidth * filters;
  if (later)
    for (let i = 0; i < images; i++) mapAffinely(backend, maps.out + i * maps.bytes.out, size, filters, kind, scratch, maps.out + i * maps.bytes.out);
}
