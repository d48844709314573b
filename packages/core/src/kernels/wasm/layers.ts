import type { TensorInfo } from '@tensorflow/tfjs-core';
import { addressOf, withScratch, type WasmBackend } from './backend.js';
import { LAYERS } from './layers-binary.js';
import { programOf } from './program.js';

/** layers.as */
interface Layers {
  readonly scratchBytes: (channels: number) => number;
  readonly prepare: (
    gamma: number,
    beta: number,
    mean: number,
    variance: number,
    epsilon: number,
    bias: number,
    channels: number,
    scratch: number,
  ) => void;
  readonly factorsIn: (scratch: number) => number;
  readonly period: (channels: number) => number;

  readonly affine: (x: number, bytes: number, channels: number, activation: number, scratch: number, out: number) => void;

  readonly panelBytes: (taps: number, depth: number) => number;
  readonly packFilters: (
    kernel: number,
    taps: number,
    depth: number,
    filters: number,
    lanes: number,
    factors: number,
    biases: number,
    panel: number,
  ) => void;
  readonly convolveFilters: (
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
    activation: number,
  ) => void;

  readonly multiplyRows: (
    x: number,
    rows: number,
    inputs: number,
    kernel: number,
    units: number,
    bias: number,
    biasShare: number,
    out: number,
  ) => void;
  readonly normaliseRows: (h: number, rows: number, width: number, gamma: number, beta: number, epsilon: number) => void;
  readonly sumSqueezes: (h: number, squeezes: number, values: number) => void;

  readonly planePitch: (width: number, kernelWidth: number) => number;
  readonly planeBytes: (rows: number, kernelHeight: number, pitch: number) => number;
  readonly padPlane: (plane: number, height: number, width: number, y: number, margin: number, pitch: number, to: number, end: number) => void;
  readonly convolvePlanes: (
    padded: number,
    planes: number,
    planeBytes: number,
    pitch: number,
    kernel: number,
    height: number,
    width: number,
    down: number,
    across: number,
    gamma: number,
    beta: number,
    mean: number,
    variance: number,
    epsilon: number,
    out: number,
    rows: number,
    columns: number,
  ) => void;
}

/** The small layers between pooling and gate, and convolutions. */
export const layers = programOf<Layers>(LAYERS);

/** What is folded into a factor and an offset for each channel, all `[C]` or none. */
interface Folded {
  readonly gamma?: TensorInfo | undefined;
  readonly beta?: TensorInfo | undefined;
  readonly mean?: TensorInfo | undefined;
  readonly variance?: TensorInfo | undefined;
  /** Is added before all of them. */
  readonly bias?: TensorInfo | undefined;
}

/** Where a tensor is, or 0 for none. */
export function addressOrNone(backend: WasmBackend, x: TensorInfo | undefined): number {
  return x ? addressOf(backend, x) : 0;
}

/**
 * Works with a scratch space of the program in which constants are, the factors and offsets of so many channels, and `more` bytes.
 */
export function withFolded<T>(
  backend: WasmBackend,
  { gamma, beta, mean, variance, bias }: Folded,
  epsilon: number,
  channels: number,
  more: number,
  operation: string,
  work: (scratch: number, more: number) => T,
): T {
  const { scratchBytes, prepare } = layers.on(backend);
  const own = scratchBytes(channels);
  return withScratch(backend, own + more, operation, (scratch) => {
    const at = (x: TensorInfo | undefined) => addressOrNone(backend, x);
    prepare(at(gamma), at(beta), at(mean), at(variance), epsilon, at(bias), channels, scratch);
    return work(scratch, scratch + own);
  });
}
