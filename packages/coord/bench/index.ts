import type { BenchEntry } from '@saccade/bench/entry';
import { coordinateAttention } from '@saccade/coord';
import {
  add,
  batchNorm,
  concat,
  conv2d,
  mean,
  mul,
  relu6,
  reshape,
  sigmoid,
  split,
  transpose,
  type Rank,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

const entries: BenchEntry[] = [
  {
    block: 'CoordinateAttention',
    layer: () => coordinateAttention(),
    baseline: (weight) => {
      const conv1x1 = (name: string) => {
        const [kernel, bias] = [weight<Tensor2D>(`${name}/kernel`), weight(`${name}/bias`)];
        const filter = reshape<Rank.R4>(kernel, [1, 1, ...kernel.shape]);
        return (x: Tensor4D) => add<Tensor4D>(conv2d(x, filter, 1, 'same'), bias);
      };
      const [conv1, convH, convW] = [conv1x1('reduce'), conv1x1('expandHeight'), conv1x1('expandWidth')];
      const [gamma, beta] = [weight<Tensor1D>('norm/gamma'), weight<Tensor1D>('norm/beta')];
      const [movingMean, movingVariance] = [weight<Tensor1D>('norm/movingMean'), weight<Tensor1D>('norm/movingVariance')];
      const hSwish = (x: Tensor4D) => mul<Tensor4D>(x, mul(relu6(add(x, 3)), 1 / 6));
      return (x) => {
        const [, height, width] = x.shape;
        const rows = mean<Tensor4D>(x, 2, true);
        const columns = transpose(mean<Tensor4D>(x, 1, true), [0, 2, 1, 3]);
        const y = hSwish(batchNorm(conv1(concat([rows, columns], 1)), movingMean, movingVariance, beta, gamma, 1e-5));
        const [ofRows, ofColumns] = split<Tensor4D>(y, [height, width], 1);
        const gateH = sigmoid(convH(ofRows));
        const gateW = sigmoid(convW(transpose(ofColumns, [0, 2, 1, 3])));
        return mul(mul(x, gateW), gateH);
      };
    },
    slot: 'inner',
  },
];

export default entries;
