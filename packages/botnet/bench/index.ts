import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { plainBatchNorm, plainConv, plainConvNorm, relativeLogits, type PlainLayer } from '@saccade/bench/plain';
import { bottleneckSelfAttention, bottleneckTransformerBlock } from '@saccade/botnet';
import { add, matMul, mul, relu, reshape, softmax, split, transpose, type Tensor2D, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { bottleneckSelfAttentionGraph, bottleneckTransformerBlockGraph } from './onnx.ts';

const HEADS = 4;

const entries: BenchEntry[] = [
  {
    block: 'BottleneckSelfAttention',
    layer: () => bottleneckSelfAttention(),
    baseline: (weight) => plainAttention(weight),
    // What BoTNet-50 has at 224×224 pixels, and a larger map.
    shapes: [
      [1, 64, 64, 128],
      [1, 14, 14, 512],
      [1, 7, 7, 512],
    ],
    baselineBytes,
    onnx: (g) => bottleneckSelfAttentionGraph(g, HEADS),
    slot: 'convolution',
  },
  {
    block: 'BottleneckTransformerBlock',
    layer: () => bottleneckTransformerBlock(),
    baseline: (weight) => {
      const [reduce, norm, expand] = [plainConvNorm(weight, 'reduce'), plainBatchNorm(weight, 'norm'), plainConvNorm(weight, 'expand')];
      const attend = plainAttention(weight, 'attention/');
      return (x) => relu(add(expand(relu(norm(attend(relu(reduce(x)))))), x));
    },
    baselineBytes,
    onnx: (g) => bottleneckTransformerBlockGraph(g, HEADS),
    slot: 'stage',
  },
];

export default entries;

/** Logits, those of positions along each axis and their sum, and the attention: [N·heads, H·W, H·W] each. */
function baselineBytes([batch, height, width]: readonly number[]): number {
  return 5 * 4 * batch * HEADS * (height * width) ** 2;
}

function plainAttention(weight: WeightReader, prefix = ''): PlainLayer {
  const qkv = plainConv(weight, `${prefix}qkv`, { useBias: false });
  const [height, width] = ['height', 'width'].map((axis) => weight<Tensor2D>(`${prefix}positions/${axis}`));
  return (x) => {
    const [batch, rows, columns] = x.shape;
    // [N·heads, H·W, D]
    const heads = (x: Tensor4D): Tensor3D => {
      const depth = x.shape[3] / HEADS;
      const perHead = transpose(reshape(x, [batch, rows * columns, HEADS, depth]), [0, 2, 1, 3]);
      return reshape(perHead, [batch * HEADS, rows * columns, depth]);
    };
    const [q, k, v] = split<Tensor4D>(qkv(x), 3, 3).map(heads);
    const scaled: Tensor3D = mul(q, q.shape[2] ** -0.5);
    const logits = add(matMul(scaled, k, false, true), relativeLogits(scaled, [rows, columns], height, width));
    const attended = reshape(matMul(softmax(logits), v), [batch, HEADS, rows * columns, q.shape[2]]);
    return reshape(transpose(attended, [0, 2, 1, 3]), [batch, rows, columns, HEADS * q.shape[2]]);
  };
}
