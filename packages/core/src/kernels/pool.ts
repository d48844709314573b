import type { Tensor } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { webgpuMoments } from './webgpu/pool-moments.js';
import { webgpuPool, webgpuProductPool, webgpuStripPools, webgpuWeightedPool } from './webgpu/pool.js';
import { wasmMoments, wasmPool, wasmProductPool, wasmStripPools, wasmWeightedPool } from './wasm/pool.js';

/** What a pooling makes of many values: their mean, or the largest of them. */
export type PoolKind = 'avg' | 'max';

/** A tensor seen as matrices whose rows are pooled, `[images, rows, columns]`, and the shape of the result. */
export interface PoolView {
  readonly images: number;
  readonly rows: number;
  readonly columns: number;
  readonly shape: number[];
}

/** The pooled tensor. */
export interface PoolInputs {
  readonly x: Tensor;
}

/** Which poolings there shall be: as many results of `[images, columns]`, one after the other. */
export interface PoolAttributes extends PoolView {
  readonly kinds: readonly (PoolKind | 'sum')[];
}

/** Which poolings of a map's strips there shall be. */
export interface StripPoolAttributes {
  readonly kinds: readonly PoolKind[];
}

/** The pooled tensor and the weights. */
export interface WeightedPoolInputs extends PoolInputs {
  /** `[images, rows]`, of any shape. */
  readonly weights: Tensor;
}

/** The tensors whose product is pooled. */
export interface ProductPoolInputs extends PoolInputs {
  /** Of x's shape, or as one of its images. */
  readonly y: Tensor;
}

/** Poolings of rows, any together, in one pass. */
export const fusedPool = ownKernel<PoolInputs, PoolAttributes>('SaccadePool', { wasm: wasmPool, webgpu: webgpuPool });

/** The mean and the biased variance of each column, one after the other, in one pass. */
export const fusedMoments = ownKernel<PoolInputs, PoolView>('SaccadeMoments', { wasm: wasmMoments, webgpu: webgpuMoments });

/** Poolings of a map `[N, H, W, C]` over the width and over the height, any together, in one pass: `[kinds, N, H + W, C]`. */
export const fusedStripPools = ownKernel<PoolInputs, StripPoolAttributes>('SaccadeStripPools', { wasm: wasmStripPools, webgpu: webgpuStripPools });

/** The sum of rows with a weight each. */
export const fusedWeightedPool = ownKernel<WeightedPoolInputs, PoolView>('SaccadeWeightedPool', {
  wasm: wasmWeightedPool,
  webgpu: webgpuWeightedPool,
});

/** The sums of the columns of a product that is never written. */
export const fusedProductPool = ownKernel<ProductPoolInputs, PoolView>('SaccadeProductPool', { wasm: wasmProductPool, webgpu: webgpuProductPool });
