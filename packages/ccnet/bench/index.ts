import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { plainConv, plainConvNorm, type PlainLayer } from '@saccade/bench/plain';
import { crissCrossAttention, recurrentCrissCrossHead } from '@saccade/ccnet';
import { add, concat, eye, leakyRelu, matMul, mul, reshape, slice, softmax, transpose } from '@tensorflow/tfjs-core';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { crissCrossAttentionGraph, recurrentCrissCrossHeadGraph } from './onnx.ts';

/** One loop, as the authors' module computes it. */
function plainLoop(weight: WeightReader, prefix = ''): PlainLayer {
  const [query, key, value] = ['query', 'key', 'value'].map((name) => plainConv(weight, prefix + name));
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

function plainActivated(weight: WeightReader, name: string): PlainLayer {
  const convNorm = plainConvNorm(weight, name);
  return (x) => leakyRelu(convNorm(x), 0.01);
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
    onnx: crissCrossAttentionGraph,
    slot: 'head',
  },
  {
    block: 'RecurrentCrissCrossHead',
    layer: () => recurrentCrissCrossHead({ outChannels: 128 }),
    baseline: (weight) => {
      const [reduce, refine, fuse] = ['reduce', 'refine', 'fuse'].map((name) => plainActivated(weight, name));
      const loop = plainLoop(weight, 'attention/');
      const classify = plainConv(weight, 'classify');
      return (x) => {
        const refined = refine(loop(loop(reduce(x))));
        return classify(fuse(concat([x, refined], 3)));
      };
    },
    shapes: [
      [1, 64, 64, 128],
      [1, 28, 28, 512],
    ],
    onnx: recurrentCrissCrossHeadGraph,
    slot: 'head',
    hostLayer: (channels) => recurrentCrissCrossHead({ width: 16, outChannels: channels, classes: channels }),
  },
];

export default entries;
