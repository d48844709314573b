import type { BenchEntry } from '@saccade/bench/entry';
import { plainDense } from '@saccade/bench/plain';
import { templateBlock } from '@saccade/template';
import { mean, mul, reshape, sigmoid, type Tensor2D } from '@tensorflow/tfjs-core';

const entries: BenchEntry[] = [
  {
    block: 'TemplateBlock',
    layer: () => templateBlock(),
    baseline: (weight) => {
      const fc = plainDense(weight, 'fc');
      return (x) => {
        const s = mean<Tensor2D>(x, [1, 2]);
        const e = sigmoid(fc(s));
        return mul(x, reshape(e, [x.shape[0], 1, 1, x.shape[3]]));
      };
    },
    slot: 'branch',
  },
];

export default entries;
