import type { BenchEntry } from '@saccade/bench/entry';
import { plainConvNorm, plainDense } from '@saccade/bench/plain';
import { cbam } from '@saccade/cbam';
import { add, concat, max, mean, mul, relu, reshape, sigmoid, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core';
import { cbamGraph } from './onnx.ts';

const entries: BenchEntry[] = [
  {
    block: 'CBAM',
    layer: () => cbam(),
    baseline: (weight) => {
      const [reduce, expand] = [plainDense(weight, 'channelGate/reduce'), plainDense(weight, 'channelGate/expand')];
      const spatial = plainConvNorm(weight, 'spatialGate');
      const mlp = (pooled: Tensor2D) => expand(relu(reduce(pooled)));
      return (x) => {
        const z = add(mlp(mean(x, [1, 2])), mlp(max(x, [1, 2])));
        const y = mul(x, reshape(sigmoid(z), [x.shape[0], 1, 1, x.shape[3]]));
        const pooled = concat([max<Tensor4D>(y, 3, true), mean<Tensor4D>(y, 3, true)], 3);
        return mul(y, sigmoid(spatial(pooled)));
      };
    },
    onnx: cbamGraph,
    slot: 'branch',
    hostLayer: () => cbam({ reduction: 4 }),
  },
];

export default entries;
