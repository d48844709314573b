import { bam } from '@saccade/bam';
import type { BenchEntry } from '@saccade/bench/entry';
import {
  add,
  batchNorm,
  conv2d,
  matMul,
  mean,
  mul,
  relu,
  reshape,
  sigmoid,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

const entries: BenchEntry[] = [
  {
    block: 'BAM',
    layer: () => bam(),
    baseline: (weight) => {
      const dense = (name: string) => {
        const [kernel, bias] = [weight<Tensor2D>(`${name}/kernel`), weight<Tensor1D>(`${name}/bias`)];
        return (x: Tensor2D): Tensor2D => add(matMul(x, kernel), bias);
      };
      const convolution = (name: string, dilation = 1) => {
        const [kernel, bias] = [weight(`${name}/kernel`), weight<Tensor1D>(`${name}/bias`)];
        const filter = (kernel.rank === 2 ? reshape(kernel, [1, 1, ...(kernel as Tensor2D).shape]) : kernel) as Tensor4D;
        return (x: Tensor4D): Tensor4D => add(conv2d(x, filter, 1, 'same', 'NHWC', dilation), bias);
      };
      const norm = (name: string) => {
        const [gamma, beta, movingMean, movingVariance] = ['gamma', 'beta', 'movingMean', 'movingVariance'].map((key) =>
          weight<Tensor1D>(`${name}/${key}`),
        );
        return <T extends Tensor>(x: T): T => batchNorm(x as Tensor4D, movingMean, movingVariance, beta, gamma, 1e-5) as Tensor as T;
      };
      const [fc0, fcNorm, fcFinal] = [dense('channel0'), norm('channelNorm0'), dense('toChannels')];
      const [reduce, reduceNorm] = [convolution('reduce'), norm('reduceNorm')];
      const dilated = [0, 1].map((i) => ({ conv: convolution(`dilated${i}`, 4), norm: norm(`dilatedNorm${i}`) }));
      const final = convolution('toMap');
      return (x) => {
        const channel = fcFinal(relu(fcNorm(fc0(mean(x, [1, 2])))));
        let hidden = relu(reduceNorm(reduce(x)));
        for (const { conv, norm } of dilated) hidden = relu(norm(conv(hidden)));
        const spatial = final(hidden);
        const gate = sigmoid(mul(reshape(channel, [x.shape[0], 1, 1, x.shape[3]]), spatial));
        return mul(x, add(1, gate));
      };
    },
    slot: 'stage',
    hostLayer: () => bam({ reduction: 4 }),
  },
];

export default entries;
