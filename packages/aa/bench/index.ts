import { attentionAugmentedConv } from '@saccade/aa';
import type { BenchEntry } from '@saccade/bench/entry';
import { plainConv, relativeLogits } from '@saccade/bench/plain';
import { add, concat, matMul, mul, reshape, softmax, split, transpose, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core';
import { attentionAugmentedConvGraph } from './onnx.ts';

const HEADS = 8;

const entries: BenchEntry[] = [
  {
    block: 'AttentionAugmentedConv',
    layer: () => attentionAugmentedConv(),
    baseline: (weight) => {
      const [convolution, kqv, out] = ['conv', 'kqv', 'out'].map((name) => plainConv(weight, name));
      const [height, width] = [weight<Tensor2D>('positions/height'), weight<Tensor2D>('positions/width')];
      return (x) => {
        const [batch, rows, columns] = x.shape;
        const valueChannels = weight<Tensor2D>('out/kernel').shape[0];
        const keyChannels = HEADS * width.shape[1];
        const parts = split<Tensor4D>(kqv(x), [keyChannels, keyChannels, valueChannels], 3);
        const [k, q, v] = parts.map((part) => transpose(reshape(part, [batch, rows * columns, HEADS, part.shape[3] / HEADS]), [0, 2, 1, 3]));
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
    onnx: (g) => attentionAugmentedConvGraph(g, HEADS),
    slot: 'convolution',
    // 20 dimensions a head are as many as the network's first maps have channels.
    hostLayer: () => attentionAugmentedConv({ minHeadChannels: 4 }),
  },
];

export default entries;
