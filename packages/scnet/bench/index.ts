import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { selfCalibratedBottleneck, selfCalibratedConv } from '@saccade/scnet';
import { add, avgPool, batchNorm, concat, conv2d, image, mul, relu, sigmoid, type Tensor1D, type Tensor4D } from '@tensorflow/tfjs-core';

/** A convolution and its batch norm. */
function plainConvNorm(weight: WeightReader, name: string): (x: Tensor4D) => Tensor4D {
  const kernel = weight<Tensor4D>(`${name}/conv/kernel`);
  const [mean, variance, beta, gamma] = ['movingMean', 'movingVariance', 'beta', 'gamma'].map((part) => weight<Tensor1D>(`${name}/norm/${part}`));
  return (x) => batchNorm<Tensor4D['rankType']>(conv2d(x, kernel, 1, 'same'), mean, variance, beta, gamma, 1e-5);
}

function plainSelfCalibratedConv(weight: WeightReader, prefix = ''): (x: Tensor4D) => Tensor4D {
  const [k2, k3, k4] = ['k2', 'k3', 'k4'].map((name) => plainConvNorm(weight, prefix + name));
  return (x) => {
    const pooled = k2(avgPool(x, 4, 4, 'valid'));
    const gate = sigmoid(add(x, image.resizeNearestNeighbor(pooled, [x.shape[1], x.shape[2]])));
    return k4(mul(k3(x), gate));
  };
}

const entries: BenchEntry[] = [
  {
    block: 'SelfCalibratedConv',
    layer: () => selfCalibratedConv(),
    baseline: (weight) => plainSelfCalibratedConv(weight),
    slot: 'convolution',
  },
  {
    block: 'SelfCalibratedBottleneck',
    layer: () => selfCalibratedBottleneck(),
    baseline: (weight) => {
      const [reduceA, reduceB, k1, expand] = ['reduceA', 'reduceB', 'k1', 'expand'].map((name) => plainConvNorm(weight, name));
      const calibrated = plainSelfCalibratedConv(weight, 'calibrated/');
      return (x) => {
        const a = relu(k1(relu(reduceA(x))));
        const b = relu(calibrated(relu(reduceB(x))));
        return relu(add(expand(concat([a, b], 3)), x));
      };
    },
    slot: 'stage',
  },
];

export default entries;
