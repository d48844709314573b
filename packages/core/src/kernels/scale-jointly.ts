import type { Tensor } from '@tensorflow/tfjs-core';
import { ownKernel } from './kernel.js';
import { wasmJointGradient, wasmScaleJointly } from './wasm/scale-jointly.js';
import { webgpuScaleJointly } from './webgpu/scale-jointly.js';

/** A map, and what the logits of its gate are joined of: factor·spatial + offset. */
export interface JointInputs {
  /** `[N, …positions, C]` */
  readonly x: Tensor;
  /** `[N, …positions]` */
  readonly spatial: Tensor;
  /** `[N, C]`. None is 1. */
  readonly factor?: Tensor | undefined;
  /** `[N, C]`. None is 0. */
  readonly offset?: Tensor | undefined;
}

/** How the gate is made of its logits. */
export interface JointRule {
  readonly activation: 'sigmoid' | 'tanh';
  /** Whether 1 is added to it. */
  readonly residual: boolean;
}

/** x · gate in one pass, of x's shape. */
export const fusedScaleJointly = ownKernel<JointInputs, JointRule>('SaccadeScaleJointly', { wasm: wasmScaleJointly, webgpu: webgpuScaleJointly });

/** The tensors of the gradients. */
export interface JointGradientInputs extends JointInputs {
  /** The gradient of x · gate. */
  readonly dy: Tensor;
}

/** The gradients of x, spatial, factor and offset, those that there are, one behind the other, `[all their values]`. */
export const fusedJointGradient = ownKernel<JointGradientInputs, JointRule>('SaccadeJointGradient', { wasm: wasmJointGradient });
