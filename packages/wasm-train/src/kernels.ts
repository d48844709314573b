import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { conv2DBackpropFilter } from './conv2d/filter-gradient.js';
import { conv2DBackpropInput } from './conv2d/input-gradient.js';
import { depthwiseBackpropFilter } from './depthwise/filter-gradient.js';
import { depthwiseBackpropInput } from './depthwise/input-gradient.js';
import type { ConvAttrs } from './geometry.js';
import { identity } from './identity.js';
import { batchMatMul } from './mat-mul.js';
import { avgPoolGrad } from './pooling/avg.js';
import { maxPoolGrad } from './pooling/max.js';
import type { PoolAttrs } from './pooling/window.js';
import { unsortedSegmentSum } from './segment-sum.js';

/** A kernel as this package writes it. */
export type Kernel = (backend: BackendWasm, inputs: Readonly<Record<string, TensorInfo>>, attrs: object) => TensorInfo;

type FilterAttrs = ConvAttrs & { readonly filterShape: number[] };
type InputAttrs = ConvAttrs & { readonly inputShape: number[] };
type MatMulAttrs = { readonly transposeA: boolean; readonly transposeB: boolean };

/** What the backend lacks, by kernel name. */
export const MISSING: Readonly<Record<string, Kernel>> = {
  Conv2DBackpropFilter: (backend, { x, dy }, attrs) => conv2DBackpropFilter(backend, x, dy, attrs as FilterAttrs),
  DepthwiseConv2dNativeBackpropFilter: (backend, { x, dy }, attrs) => depthwiseBackpropFilter(backend, x, dy, attrs as FilterAttrs),
  DepthwiseConv2dNativeBackpropInput: (backend, { dy, filter }, attrs) => depthwiseBackpropInput(backend, dy, filter, attrs as InputAttrs),
  UnsortedSegmentSum: (backend, { x, segmentIds }, attrs) =>
    unsortedSegmentSum(backend, x, segmentIds, (attrs as { numSegments: number }).numSegments),
};

/**
 * What the backend has, but many times slower, by kernel name; each is made from the kernel that it replaces. The backend's `MaxPoolGrad` is
 * wrong besides: it loses the gradients of windows whose maximum is not positive.
 */
export const FASTER: Readonly<Record<string, (original: KernelFunc) => Kernel>> = {
  Conv2DBackpropInput:
    () =>
    (backend, { dy, filter }, attrs) =>
      conv2DBackpropInput(backend, dy, filter, attrs as InputAttrs),
  MaxPoolGrad:
    () =>
    (backend, { input, output, dy }, attrs) =>
      maxPoolGrad(backend, input, output, dy, attrs as PoolAttrs),
  AvgPoolGrad:
    () =>
    (backend, { input, dy }, attrs) =>
      avgPoolGrad(backend, input, dy, attrs as PoolAttrs),
  BatchMatMul:
    (original) =>
    (backend, { a, b }, attrs) =>
      batchMatMul(backend, a, b, attrs as MatMulAttrs, original),
  Identity:
    () =>
    (backend, { x }) =>
      identity(backend, x),
};
