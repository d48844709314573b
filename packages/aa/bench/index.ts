import { attentionAugmentedConv } from '@saccade/aa';
import type { BenchEntry } from '@saccade/bench/entry';
import {
  add,
  concat,
  conv2d,
  expandDims,
  matMul,
  mul,
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

const HEADS = 8;

const entries: BenchEntry[] = [
  {
    block: 'AttentionAugmentedConv',
    layer: () => attentionAugmentedConv(),
    baseline: (weight) => {
      const conv = (name: string) => {
        const [kernel, bias] = [weight(`${name}/kernel`), weight<Tensor1D>(`${name}/bias`)];
        const filter: Tensor4D = reshape(kernel, [...Array<number>(4 - kernel.rank).fill(1), ...kernel.shape] as Tensor4D['shape']);
        return (x: Tensor4D): Tensor4D => add(conv2d(x, filter, 1, 'same'), bias);
      };
      const [convolution, kqv, out] = [conv('conv'), conv('kqv'), conv('out')];
      const [height, width] = [weight<Tensor2D>('positions/height'), weight<Tensor2D>('positions/width')];
      return (x) => {
        const [batch, rows, columns] = x.shape;
        const valueChannels = weight<Tensor2D>('out/kernel').shape[0];
        const keyChannels = HEADS * width.shape[1];
        const [k, q, v] = split<Tensor>(kqv(x), [keyChannels, keyChannels, valueChannels], 3).map((part) => splitHeads(part));
        const scaled = mul(q, width.shape[1] ** -0.5); // [N, heads, H·W, d_k / heads]
        const logits = add(matMul(scaled, k, false, true), relativeLogits(scaled, [rows, columns], height, width));
        const attended = matMul(softmax(logits), v); // [N, heads, H·W, d_v / heads]
        const combined: Tensor4D = reshape(transpose(attended, [0, 2, 1, 3]), [batch, rows, columns, valueChannels]);
        return concat([convolution(x), out(combined)], 3);
      };
    },
    // The 3×3 convolutions that the paper augments in a ResNet-50, and a larger map.
    shapes: [
      [1, 48, 48, 128],
      [1, 28, 28, 128],
      [1, 14, 14, 256],
      [1, 7, 7, 512],
    ],
    // Logits, those of positions along each axis and their sum, and the attention: [N, heads, H·W, H·W] each.
    baselineBytes: ([batch, height, width]) => 5 * 4 * batch * HEADS * (height * width) ** 2,
    slot: 'convolution',
    // 20 dimensions a head are as many as the network's first maps have channels.
    hostLayer: () => attentionAugmentedConv({ minHeadChannels: 4 }),
  },
];

export default entries;

/** `[N, H, W, heads·D]` to `[N, heads, H·W, D]` */
function splitHeads(x: Tensor): Tensor {
  const [batch, height, width, channels] = x.shape;
  return transpose(reshape(x, [batch, height * width, HEADS, channels / HEADS]), [0, 2, 1, 3]);
}

/** `[N, heads, H·W, H·W]`, as in the paper's appendix: skewed, and tiled along the other axis. */
function relativeLogits(q: Tensor, [height, width]: readonly [number, number], heightTable: Tensor2D, widthTable: Tensor2D): Tensor {
  const [batch, heads, positions, channels] = q.shape;
  const lines = batch * heads;
  const planes = reshape(q, [lines, height, width, channels]);
  const ofWidth = skew(planes, widthTable); // [N·heads·H, W, W]
  const tiledWidth = tile(expandDims(ofWidth, 2), [1, 1, height, 1]); // over the keys' rows
  const ofHeight = reshape(skew(transpose(planes, [0, 2, 1, 3]), heightTable), [lines, width, height, height]);
  const tiledHeight = tile(reshape(transpose(ofHeight, [0, 2, 1, 3]), [lines * positions, height, 1]), [1, 1, width]); // over the keys' columns
  return add(reshape(tiledWidth, [batch, heads, positions, positions]), reshape(tiledHeight, [batch, heads, positions, positions]));
}

/** From queries `[B, A, L, D]` to their products with the embeddings of the distances to the keys of their line, `[B·A, L, L]`. */
function skew(q: Tensor, table: Tensor2D): Tensor {
  const [batch, others, length, channels] = q.shape;
  const products: Tensor3D = reshape(matMul(reshape(q, [batch * others * length, channels]), table, false, true), [-1, length, 2 * length - 1]);
  const lines = products.shape[0];
  const flat: Tensor2D = reshape(concat([products, zeros([lines, length, 1])], 2), [lines, 2 * length * length]);
  const shifted: Tensor3D = reshape(concat([flat, zeros([lines, length - 1])], 1), [lines, length + 1, 2 * length - 1]);
  return slice(shifted, [0, 0, length - 1], [-1, length, length]);
}
