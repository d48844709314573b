import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { crissCrossAttention, recurrentCrissCrossHead } from '@saccade/ccnet';
import { add, batchNorm, concat, conv2d, eye, leakyRelu, matMul, mul, reshape, slice, softmax, transpose } from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';

/** One loop, as the authors' module computes it. */
function plainLoop(weight: WeightReader, prefix = ''): (x: Tensor4D) => Tensor4D {
  const conv1x1 = (name: string) => {
    const kernel = weight<Tensor2D>(`${prefix}${name}/kernel`);
    const filter: Tensor4D = reshape(kernel, [1, 1, kernel.shape[0], kernel.shape[1]]);
    const bias = weight(`${prefix}${name}/bias`);
    return (x: Tensor4D): Tensor4D => add(conv2d(x, filter, 1, 'same'), bias);
  };
  const [query, key, value] = ['query', 'key', 'value'].map(conv1x1);
  const gamma = weight(`${prefix}gamma`);
  return (x) => {
    const [batch, height, width] = x.shape;
    const columns = (x: Tensor4D) => reshape(transpose(x, [0, 2, 1, 3]), [batch * width, height, x.shape[3]]);
    const rows = (x: Tensor4D) => reshape(x, [batch * height, width, x.shape[3]]);
    const fromColumns = (x: Tensor3D): Tensor4D => transpose(reshape(x, [batch, width, height, x.shape[2]]), [0, 2, 1, 3]);
    const fromRows = (x: Tensor3D): Tensor4D => reshape(x, [batch, height, width, x.shape[2]]);

    const [q, k, v] = [query(x), key(x), value(x)];
    const energyH = fromColumns(add(matMul(columns(q), columns(k), false, true), mul(eye(height), -1e30)));
    const energyW = fromRows(matMul(rows(q), rows(k), false, true));
    const attention = softmax(concat([energyH, energyW], 3));
    const attentionH = columns(slice(attention, [0, 0, 0, 0], [-1, -1, -1, height]));
    const attentionW = rows(slice(attention, [0, 0, 0, height], [-1, -1, -1, width]));
    const outH = fromColumns(matMul(attentionH, columns(v)));
    const outW = fromRows(matMul(attentionW, rows(v)));
    return add(mul(gamma, add(outH, outW)), x);
  };
}

function plainConvNorm(weight: WeightReader, name: string): (x: Tensor4D) => Tensor4D {
  const kernel = weight<Tensor4D>(`${name}/conv/kernel`);
  const [mean, variance, beta, gamma] = ['movingMean', 'movingVariance', 'beta', 'gamma'].map((part) => weight<Tensor1D>(`${name}/norm/${part}`));
  return (x) => leakyRelu(batchNorm<Tensor4D['rankType']>(conv2d(x, kernel, 1, 'same'), mean, variance, beta, gamma, 1e-5), 0.01);
}

const entries: BenchEntry[] = [
  {
    block: 'CrissCrossAttention',
    layer: () => crissCrossAttention(),
    baseline: (weight) => {
      const loop = plainLoop(weight);
      return (x) => loop(loop(x));
    },
    shapes: [
      [1, 64, 64, 128],
      [1, 56, 56, 256],
      [1, 28, 28, 512],
      [1, 14, 14, 1024],
    ],
    slot: 'head',
  },
  {
    block: 'RecurrentCrissCrossHead',
    layer: () => recurrentCrissCrossHead({ outChannels: 128 }),
    baseline: (weight) => {
      const [reduce, refine, fuse] = ['reduce', 'refine', 'fuse'].map((name) => plainConvNorm(weight, name));
      const loop = plainLoop(weight, 'attention/');
      const classify = weight<Tensor2D>('classify/kernel');
      const filter: Tensor4D = reshape(classify, [1, 1, classify.shape[0], classify.shape[1]]);
      const bias = weight('classify/bias');
      return (x) => {
        const refined = refine(loop(loop(reduce(x))));
        return add(conv2d(fuse(concat([x, refined], 3)), filter, 1, 'same'), bias);
      };
    },
    shapes: [
      [1, 64, 64, 128],
      [1, 28, 28, 512],
    ],
    slot: 'head',
    hostLayer: (channels) => recurrentCrissCrossHead({ width: 16, outChannels: channels, classes: channels }),
  },
];

export default entries;
