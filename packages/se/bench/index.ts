import type { BenchEntry } from '@saccade/bench/entry';
import { squeezeExcite } from '@saccade/se';
import { add, matMul, mean, mul, relu, reshape, sigmoid, type Tensor2D } from '@tensorflow/tfjs-core';

const entries: BenchEntry[] = [
  {
    block: 'SqueezeExcite',
    layer: () => squeezeExcite(),
    baseline: (weight) => {
      const [reduce, reduceBias] = [weight<Tensor2D>('reduce/kernel'), weight('reduce/bias')];
      const [expand, expandBias] = [weight<Tensor2D>('expand/kernel'), weight('expand/bias')];
      return (x) => {
        const s = mean<Tensor2D>(x, [1, 2]);
        const z = relu(add<Tensor2D>(matMul(s, reduce), reduceBias));
        const e = sigmoid(add(matMul(z, expand), expandBias));
        return mul(x, reshape(e, [x.shape[0], 1, 1, x.shape[3]]));
      };
    },
    slot: 'branch',
    hostLayer: () => squeezeExcite({ reduction: 4 }),
  },
];

export default entries;
