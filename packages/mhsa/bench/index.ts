import type { BenchEntry } from '@saccade/bench/entry';
import { plainConv } from '@saccade/bench/plain';
import { multiHeadSelfAttention2D, type MultiHeadSelfAttention2D } from '@saccade/mhsa';
import { add, matMul, mul, reshape, softmax, transpose, type Tensor4D } from '@tensorflow/tfjs-core';
import { multiHeadSelfAttention2DGraph } from './onnx.ts';
import { sinePositions } from './positions.ts';

const entries: BenchEntry[] = [
  {
    block: 'MultiHeadSelfAttention2D',
    layer: () => multiHeadSelfAttention2D(),
    baseline: (weight, layer) => {
      const { heads } = (layer as MultiHeadSelfAttention2D).options;
      const [query, key, value, out] = ['query', 'key', 'value', 'out'].map((name) => plainConv(weight, name));
      return (x) => {
        const [batch, height, width, channels] = x.shape;
        const depth = channels / heads;
        // [N, heads, H·W, D]
        const split = (x: Tensor4D): Tensor4D => transpose(reshape(x, [batch, height * width, heads, depth]), [0, 2, 1, 3]);
        const placed: Tensor4D = add(x, sinePositions([height, width], channels));
        const scores = matMul(mul(split(query(placed)), depth ** -0.5), split(key(placed)), false, true); // [N, heads, H·W, H·W]
        const y = transpose(matMul(softmax(scores), split(value(x))), [0, 2, 1, 3]);
        return out(reshape(y, x.shape));
      };
    },
    shapes: [
      [1, 64, 64, 128],
      [1, 28, 28, 512],
      [1, 14, 14, 1024],
    ],
    baselineBytes: ([batch, height, width]) => 2 * 4 * 8 * batch * (height * width) ** 2,
    onnx: multiHeadSelfAttention2DGraph,
    slot: 'head',
  },
];

export default entries;
