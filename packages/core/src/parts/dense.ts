import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { linear } from '../matmul.js';
import type { Weight, WeightScope } from '../weights.js';
import { pytorchUniform, type Initializer } from './initializers.js';

/** A learned linear map of the channels, at every position alike: a fully connected layer, or a convolution with a kernel of size 1. */
export interface Dense {
  /** `[…, inputs]` to `[…, units]` */
  <T extends Tensor>(x: T): T;
  /** `[inputs, units]` */
  readonly kernel: Weight;
  /** `[units]` */
  readonly bias: Weight | null;
  /** Multiply-adds over so many positions. */
  macs(positions?: number): number;
}

export interface DenseOptions {
  /** Default: true. */
  readonly useBias?: boolean;
  /** Default: PyTorch's, uniform in ±1/√inputs. */
  readonly kernelInitializer?: Initializer;
  /** Default: PyTorch's, uniform in ±1/√inputs. */
  readonly biasInitializer?: Initializer;
}

/** Declares a {@link Dense} part, with the weights `kernel` and `bias`. */
export function dense(weights: WeightScope, inputs: number, units: number, options: DenseOptions = {}): Dense {
  const { useBias = true, kernelInitializer = pytorchUniform(inputs), biasInitializer = pytorchUniform(inputs) } = options;
  const kernel = weights.add('kernel', [inputs, units], kernelInitializer, { layout: 'dense' });
  const bias = useBias ? weights.add('bias', [units], biasInitializer) : null;
  const apply = <T extends Tensor>(x: T) => linear(x, kernel.read() as Tensor2D, bias?.read() as Tensor1D | undefined);
  return Object.assign(apply, { kernel, bias, macs: (positions = 1) => positions * inputs * units });
}
