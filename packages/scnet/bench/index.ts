import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { plainConvNorm, type PlainLayer } from '@saccade/bench/plain';
import { selfCalibratedBottleneck, selfCalibratedConv } from '@saccade/scnet';
import { add, avgPool, concat, image, mul, relu, sigmoid } from '@tensorflow/tfjs-core';
import { selfCalibratedBottleneckGraph, selfCalibratedConvGraph } from './onnx.ts';

function plainSelfCalibratedConv(weight: WeightReader, prefix = ''): PlainLayer {
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
    onnx: (g) => selfCalibratedConvGraph(g),
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
    onnx: selfCalibratedBottleneckGraph,
    slot: 'stage',
  },
];

export default entries;
