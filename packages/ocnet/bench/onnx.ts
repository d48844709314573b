import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `BaseOC_Module` of the PyTorch code, of one size. */
export function baseObjectContextGraph(g: GraphBuilder): Value {
  const activated = (x: Value, name: string) => g.op('LeakyRelu', [g.convNorm(x, name, { bias: true })], { alpha: 0.01 });
  const key = g.flat(activated(g.input, 'stage0/key')); // [N, C', H·W]
  const value = g.flat(g.conv(g.input, 'stage0/value'));
  const scale = g.scalar(g.shapeOf('stage0/key/conv/kernel').at(-1)! ** -0.5);
  const similarity = g.softmax(g.mul(g.matMul(g.transpose(key, [0, 2, 1]), key), scale)); // [N, H·W, H·W]
  const context = g.matMul(similarity, g.transpose(value, [0, 2, 1]));
  const stage = g.conv(g.unflat(g.transpose(context, [0, 2, 1])), 'stage0/output');
  return activated(g.concat([stage, g.input], 1), 'fuse');
}
