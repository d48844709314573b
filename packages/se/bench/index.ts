import type { BenchEntry } from '@saccade/bench/entry';
import { plainDense } from '@saccade/bench/plain';
import { squeezeExcite } from '@saccade/se';
import { mean, mul, relu, reshape, sigmoid, type Tensor2D } from '@tensorflow/tfjs-core';
import { squeezeExciteGraph } from './onnx.ts';

const entries: BenchEntry[] = [
  {
    block: 'SqueezeExcite',
    layer: () => squeezeExcite(),
    baseline: (weight) => {
      const [reduce, expand] = [plainDense(weight, 'reduce'), plainDense(weight, 'expand')];
      return (x) => {
        const s = mean<Tensor2D>(x, [1, 2]);
        const z = relu(reduce(s));
        const e = sigmoid(expand(z));
        return mul(x, reshape(e, [x.shape[0], 1, 1, x.shape[3]]));
      };
    },
    onnx: squeezeExciteGraph,
    slot: 'branch',
    hostLayer: () => squeezeExcite({ reduction: 4 }),
  },
];

export default entries;
