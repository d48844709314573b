import type { BenchEntry } from '@saccade/bench/entry';
import { globalSecondOrderPooling } from '@saccade/gsop';
import {
  add,
  batchNorm,
  conv2d,
  depthwiseConv2d,
  div,
  matMul,
  mean,
  mul,
  relu,
  reshape,
  sigmoid,
  sub,
  transpose,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

const entries: BenchEntry[] = [
  {
    block: 'GlobalSecondOrderPooling',
    layer: () => globalSecondOrderPooling(),
    baseline: (weight) => {
      const [reduce, reduceBias] = [weight<Tensor4D>('reduce/kernel'), weight('reduce/bias')];
      const [rowKernel, rowBias] = [weight<Tensor4D>('rowConv/kernel'), weight('rowConv/bias')];
      const [expand, expandBias] = [weight<Tensor2D>('expand/kernel'), weight('expand/bias')];
      const norm = (part: string) => {
        const [gamma, beta] = [weight<Tensor1D>(`${part}/gamma`), weight<Tensor1D>(`${part}/beta`)];
        const [movingMean, movingVariance] = [weight<Tensor1D>(`${part}/movingMean`), weight<Tensor1D>(`${part}/movingVariance`)];
        return (x: Tensor4D) => batchNorm(x, movingMean, movingVariance, beta, gamma, 1e-5);
      };
      const [reduceNorm, rowNorm] = [norm('reduceNorm'), norm('rowNorm')];
      return (x) => {
        const [images, , , channels] = x.shape;
        const stride = channels > 256 ? 1 : 2;
        const z = relu(reduceNorm(add(conv2d(relu(x), reduce, stride, 'valid'), reduceBias)));
        const [, height, width, d] = z.shape;
        const features: Tensor3D = reshape(z, [images, height * width, d]);
        const deviations = sub<Tensor3D>(features, mean(features, 1, true));
        const covariance: Tensor3D = div(matMul(deviations, deviations, true), height * width);
        // Its rows are the channels of what follows.
        const rows = rowNorm(reshape(transpose(covariance, [0, 2, 1]), [images, d, 1, d]));
        const values: Tensor2D = reshape(add(depthwiseConv2d(rows, rowKernel, 1, 'valid'), rowBias), [images, -1]);
        const gate = sigmoid<Tensor>(add(matMul(values, expand), expandBias));
        return mul(x, reshape(gate, [images, 1, 1, channels]));
      };
    },
    slot: 'branch',
    hostLayer: () => globalSecondOrderPooling({ width: 16, reductionStride: 1 }),
  },
];

export default entries;
