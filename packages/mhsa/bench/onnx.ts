import type { BenchLayer, GraphBuilder, Value } from '@saccade/bench/entry';
import type { MultiHeadSelfAttention2D } from '@saccade/mhsa';
import { expandDims, transpose } from '@tensorflow/tfjs-core';
import { sinePositions } from './positions.ts';

/** Multi-head attention among the positions of a map, whose projections are 1×1 convolutions. DETR's positions are known beforehand. */
export function multiHeadSelfAttention2DGraph(g: GraphBuilder, layer: BenchLayer): Value {
  const { heads } = (layer as MultiHeadSelfAttention2D).options;
  const depth = g.channels / heads;
  const positions = g.tensor(() => transpose(expandDims(sinePositions([g.height, g.width], g.channels)), [0, 3, 1, 2]));
  const split = (x: Value) => g.reshape(x, [g.batch, heads, depth, -1]); // [N, heads, D, H·W]
  const swap = (x: Value) => g.transpose(x, [0, 1, 3, 2]);
  const placed = g.add(g.input, positions);
  const q = g.mul(swap(split(g.conv(placed, 'query'))), g.scalar(depth ** -0.5));
  const scores = g.matMul(q, split(g.conv(placed, 'key'))); // [N, heads, H·W, H·W]
  const y = swap(g.matMul(g.softmax(scores), swap(split(g.conv(g.input, 'value')))));
  return g.conv(g.reshape(y, [g.batch, g.channels, g.height, g.width]), 'out');
}
