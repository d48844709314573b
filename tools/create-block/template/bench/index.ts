import type { BenchEntry } from '@saccade/bench/entry';
import { templateBlock } from '@saccade/template';
import { add, matMul, mean, mul, reshape, sigmoid, type Tensor2D } from '@tensorflow/tfjs-core';

const entries: BenchEntry[] = [
  {
    block: 'TemplateBlock',
    layer: () => templateBlock(),
    baseline: (weight) => {
      const [fc, fcBias] = [weight<Tensor2D>('fc/kernel'), weight('fc/bias')];
      return (x) => {
        const s = mean<Tensor2D>(x, [1, 2]);
        const e = sigmoid(add(matMul(s, fc), fcBias));
        return mul(x, reshape(e, [x.shape[0], 1, 1, x.shape[3]]));
      };
    },
    slot: 'branch',
  },
];

export default entries;
