import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { plainConv, plainDense } from '@saccade/bench/plain';
import { globalContext, simplifiedNonLocal } from '@saccade/gc';
import {
  add,
  div,
  matMul,
  moments,
  mul,
  relu,
  reshape,
  softmax,
  sqrt,
  sub,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { globalContextGraph, simplifiedNonLocalGraph } from './onnx.ts';

/** [N, H, W, C] → [N, C] */
function plainContext(weight: WeightReader): (x: Tensor4D) => Tensor2D {
  const maskOf = plainConv(weight, 'mask');
  return (x) => {
    const [batch, height, width, channels] = x.shape;
    const mask = softmax(reshape(maskOf(x), [batch, height * width]));
    const rows = reshape(x, [batch, height * width, channels]);
    const context = matMul<Tensor3D>(rows, reshape(mask, [batch, height * width, 1]), true); // [N, C, 1]
    return reshape(context, [batch, channels]);
  };
}

function plainLayerNorm(x: Tensor2D, gamma: Tensor, beta: Tensor): Tensor2D {
  const { mean, variance } = moments(x, -1, true);
  return add(mul(div(sub(x, mean), sqrt(add(variance, 1e-5))), gamma), beta);
}

function addToAll(x: Tensor4D, y: Tensor2D): Tensor {
  return add(x, reshape(y, [x.shape[0], 1, 1, x.shape[3]]));
}

const entries: BenchEntry[] = [
  {
    block: 'GlobalContext',
    layer: () => globalContext(),
    baseline: (weight) => {
      const contextOf = plainContext(weight);
      const [reduce, expand] = [plainDense(weight, 'add/reduce'), plainDense(weight, 'add/expand')];
      const [gamma, beta] = [weight('add/norm/gamma'), weight('add/norm/beta')];
      return (x) => addToAll(x, expand(relu(plainLayerNorm(reduce(contextOf(x)), gamma, beta))));
    },
    onnx: globalContextGraph,
    slot: 'branch',
    hostLayer: () => globalContext({ reduction: 4 }),
  },
  {
    block: 'SimplifiedNonLocal',
    layer: () => simplifiedNonLocal(),
    baseline: (weight) => {
      const contextOf = plainContext(weight);
      const value = weight<Tensor2D>('value/kernel');
      return (x) => addToAll(x, matMul(contextOf(x), value));
    },
    onnx: simplifiedNonLocalGraph,
    slot: 'branch',
  },
];

export default entries;
