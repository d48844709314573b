import type { BenchEntry } from '@saccade/bench/entry';
import { cbam } from '@saccade/cbam';
import {
  add,
  batchNorm,
  concat,
  conv2d,
  matMul,
  max,
  mean,
  mul,
  relu,
  reshape,
  sigmoid,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

const entries: BenchEntry[] = [
  {
    block: 'CBAM',
    layer: () => cbam(),
    baseline: (weight) => {
      const [reduce, reduceBias] = [weight<Tensor2D>('channelGate/reduce/kernel'), weight('channelGate/reduce/bias')];
      const [expand, expandBias] = [weight<Tensor2D>('channelGate/expand/kernel'), weight('channelGate/expand/bias')];
      const [kernel, gamma, beta] = [
        weight<Tensor4D>('spatialGate/conv/kernel'),
        weight<Tensor1D>('spatialGate/norm/gamma'),
        weight<Tensor1D>('spatialGate/norm/beta'),
      ];
      const [movingMean, movingVariance] = [weight<Tensor1D>('spatialGate/norm/movingMean'), weight<Tensor1D>('spatialGate/norm/movingVariance')];
      const mlp = (pooled: Tensor2D) => add(matMul(relu(add<Tensor2D>(matMul(pooled, reduce), reduceBias)), expand), expandBias);
      return (x) => {
        const z = add(mlp(mean(x, [1, 2])), mlp(max(x, [1, 2])));
        const y = mul(x, reshape(sigmoid(z), [x.shape[0], 1, 1, x.shape[3]]));
        const pooled = concat([max<Tensor4D>(y, 3, true), mean<Tensor4D>(y, 3, true)], 3);
        const s = batchNorm(conv2d(pooled, kernel, 1, 'same'), movingMean, movingVariance, beta, gamma, 1e-5);
        return mul(y, sigmoid(s));
      };
    },
    slot: 'branch',
    hostLayer: () => cbam({ reduction: 4 }),
  },
];

export default entries;
