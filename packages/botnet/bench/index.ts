import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { bottleneckSelfAttention, bottleneckTransformerBlock } from '@saccade/botnet';
import {
  add,
  batchNorm,
  concat,
  conv2d,
  expandDims,
  matMul,
  mul,
  relu,
  reshape,
  slice,
  softmax,
  split,
  tile,
  transpose,
  zeros,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

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
    slot: 'convolution',
  },
  {
    block: 'BottleneckTransformerBlock',
    layer: () => bottleneckTransformerBlock(),
    baseline: (weight) => {
      const conv = (name: string) => {
        const kernel = weight<Tensor4D>(`${name}/conv/kernel`);
        const norm = plainNorm(weight, `${name}/norm`);
        return (x: Tensor4D) => norm(conv2d(x, kernel, 1, 'same'));
      };
      const [reduce, norm, expand] = [conv('reduce'), plainNorm(weight, 'norm'), conv('expand')];
      const attend = plainAttention(weight, 'attention/');
      return (x) => relu(add(expand(relu(norm(attend(relu(reduce(x)))))), x));
    },
    baselineBytes,
    slot: 'stage',
  },
];

export default entries;

/** Logits, those of positions along each axis and their sum, and the attention: [N·heads, H·W, H·W] each. */
function baselineBytes([batch, height, width]: readonly number[]): number {
  return 5 * 4 * batch * HEADS * (height * width) ** 2;
}

function plainNorm(weight: WeightReader, name: string): (x: Tensor4D) => Tensor4D {
  const [mean, variance, beta, gamma] = ['movingMean', 'movingVariance', 'beta', 'gamma'].map((part) => weight<Tensor1D>(`${name}/${part}`));
  return (x) => batchNorm<Tensor4D['rankType']>(x, mean, variance, beta, gamma, 1e-5);
}

function plainAttention(weight: WeightReader, prefix = ''): (x: Tensor4D) => Tensor4D {
  const [qkv, height, width] = ['qkv/kernel', 'positions/height', 'positions/width'].map((path) => weight<Tensor2D>(prefix + path));
  return (x) => {
    const [batch, rows, columns] = x.shape;
    const projected = conv2d(x, expandDims<Tensor4D>(expandDims(qkv, 0), 0), 1, 'same');
    const [q, k, v] = split(projected, 3, 3).map((part) => splitHeads(part));
    const scaled: Tensor3D = mul(q, q.shape[2] ** -0.5);
    const logits = add(matMul(scaled, k, false, true), relativeLogits(scaled, [rows, columns], height, width));
    const attended = reshape(matMul(softmax(logits), v), [batch, HEADS, rows * columns, q.shape[2]]);
    return reshape(transpose(attended, [0, 2, 1, 3]), [batch, rows, columns, HEADS * q.shape[2]]);
  };
}

/** `[N, H, W, heads·D]` to `[N·heads, H·W, D]` */
function splitHeads(x: Tensor): Tensor3D {
  const [batch, height, width, channels] = x.shape;
  const heads = transpose(reshape(x, [batch, height * width, HEADS, channels / HEADS]), [0, 2, 1, 3]);
  return reshape(heads, [batch * HEADS, height * width, channels / HEADS]);
}

/** `[N·heads, H·W, H·W]`: skewed along one axis, and tiled along the other. */
function relativeLogits(q: Tensor3D, [height, width]: readonly [number, number], heightTable: Tensor2D, widthTable: Tensor2D): Tensor {
  const [heads, positions, channels] = q.shape;
  const planes: Tensor4D = reshape(q, [heads, height, width, channels]);
  const ofWidth = skew(planes, widthTable); // [N·heads·H, W, W]
  const tiledWidth = tile(expandDims(ofWidth, 2), [1, 1, height, 1]); // over the keys' rows
  const ofHeight = reshape(skew(transpose(planes, [0, 2, 1, 3]), heightTable), [heads, width, height, height]);
  const tiledHeight = tile(reshape(transpose(ofHeight, [0, 2, 1, 3]), [heads * positions, height, 1]), [1, 1, width]); // over the keys' columns
  return add(reshape(tiledWidth, [heads, positions, positions]), reshape(tiledHeight, [heads, positions, positions]));
}

/** From queries `[B, A, L, D]` to their products with the embeddings of the distances to the keys of their line, `[B·A, L, L]`. */
function skew(q: Tensor4D, table: Tensor2D): Tensor3D {
  const [batch, others, length, channels] = q.shape;
  const products: Tensor3D = reshape(matMul(reshape(q, [batch * others * length, channels]), table, false, true), [-1, length, 2 * length - 1]);
  const lines = products.shape[0];
  const flat: Tensor2D = reshape(concat([products, zeros([lines, length, 1])], 2), [lines, 2 * length * length]);
  const shifted: Tensor3D = reshape(concat([flat, zeros([lines, length - 1])], 1), [lines, length + 1, 2 * length - 1]);
  return slice(shifted, [0, 0, length - 1], [-1, length, length]);
}
