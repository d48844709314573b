import type { Tensor } from '@tensorflow/tfjs-core';
import type { Gate } from '../activations.js';
import { ownKernel } from './kernel.js';
import { wasmGateGradient, wasmScale } from './wasm/scale.js';
import { webgpuGateGradient, webgpuScale } from './webgpu/scale.js';

/** A map and its gates: up to two of vectors of channels and one of values, in any order. */
export interface ScaleInputs {
  /** `[N, …positions, C]` */
  readonly x: Tensor;
  /** `[N, C]`, `[N, …positions]`, or `[N, h, w, C]`, of which each pixel takes its nearest. */
  readonly first: Tensor;
  readonly second: Tensor | undefined;
  readonly third: Tensor | undefined;
}

/** How gates are made of their logits, and joined. */
export interface GateRule {
  /** What makes a gate of its logits. Default: they are the gate. */
  readonly activation?: Gate | undefined;
  /** Whether the gates' mean is taken, in place of their product. */
  readonly mean?: boolean | undefined;
  /** Whether 1 is added to it. */
  readonly residual?: boolean | undefined;
}

/** x · gates in one pass, of x's shape. */
export const fusedScale = ownKernel<ScaleInputs, GateRule>('SaccadeScale', { wasm: wasmScale, webgpu: webgpuScale });

/** The tensors of a gate's gradient. */
export interface GateGradientInputs extends ScaleInputs {
  /** The gradient of x · gates. */
  readonly dy: Tensor;
}

/** Whose gradient it is: a gate's number, from 0 on. */
export interface GateGradientRule extends GateRule {
  readonly of: number;
}

/** The gradient of a gate's logits, of that gate's shape, in one pass. */
export const fusedGateGradient = ownKernel<GateGradientInputs, GateGradientRule>('SaccadeGateGradient', {
  wasm: wasmGateGradient,
  webgpu: webgpuGateGradient,
});
