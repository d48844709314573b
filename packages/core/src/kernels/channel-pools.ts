import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { Gate } from '../activations.js';
import { ownKernel } from './kernel.js';
import type { PoolKind } from './pool.js';
import { webgpuChannelPools } from './webgpu/channel-pools.js';
import { wasmChannelPools } from './wasm/channel-pools.js';

/** The tensors of a pooling of channels. */
export interface ChannelPoolsInputs {
  /** `[N, …positions, C]` */
  readonly x: Tensor;
  /** `[N, C]`, which x is multiplied by before, or none. */
  readonly gate: Tensor2D | undefined;
}

/** Which poolings there shall be, and the shape of the result: as many of `[N, …positions]`, one after the other. */
export interface ChannelPoolsAttributes {
  readonly kinds: readonly PoolKind[];
  readonly shape: number[];
  /** What makes the gate of its logits. Default: none, it is the gate. */
  readonly activation?: Gate | undefined;
}

/** Poolings of the channels at each position, any together, in one pass. */
export const fusedChannelPools = ownKernel<ChannelPoolsInputs, ChannelPoolsAttributes>('SaccadeChannelPools', {
  wasm: wasmChannelPools,
  webgpu: webgpuChannelPools,
});
