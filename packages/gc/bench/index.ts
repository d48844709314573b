import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { globalContext, simplifiedNonLocal } from '@saccade/gc';
import {
  add,
  conv2d,
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
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

/** [N, H, W, C] → [N, C] */
function plainContext(weight: WeightReader): (x: Tensor4D) => Tensor2D {
  const kernel = weight<Tensor2D>('mask/kernel');
  const bias = weight('mask/bias');
  return (x) => {
    const [batch, height, width, channels] = x.shape;
    const scores = add(conv2d(x, reshape(kernel, [1, 1, channels, 1]), 1, 'same'), bias);
    const mask = softmax(reshape(scores, [batch, height * width]));
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
      const [reduce, reduceBias] = [weight<Tensor2D>('add/reduce/kernel'), weight<Tensor1D>('add/reduce/bias')];
      const [gamma, beta] = [weight('add/norm/gamma'), weight('add/norm/beta')];
      const [expand, expandBias] = [weight<Tensor2D>('add/expand/kernel'), weight<Tensor1D>('add/expand/bias')];
      return (x) => {
        const hidden = relu(plainLayerNorm(add(matMul(contextOf(x), reduce), reduceBias), gamma, beta));
        return addToAll(x, add(matMul(hidden, expand), expandBias));
      };
    },
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
    slot: 'branch',
  },
];

export default entries;
