import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `SKConv` of the PyTorch code, two branches, the second one dilated. */
export function selectiveKernelGraph(g: GraphBuilder, groups: number): Value {
  const branches = [0, 1].map((i) => g.relu(g.convNorm(g.input, `branch${i}`, { groups, dilation: i + 1 })));
  const squeezed = g.globalAverage(g.add(branches[0], branches[1]));
  const z = g.relu(g.batchNorm(g.dense(squeezed, 'reduce', { bias: false }), 'norm'));
  const logits = g.reshape(g.dense(z, 'select', { bias: false }), [g.batch, 2, -1]);
  const weights = g.split(g.softmax(logits, 1), [1, 1], 1).map((weight) => g.reshape(weight, [g.batch, -1, 1, 1]));
  return g.add(g.mul(branches[0], weights[0]), g.mul(branches[1], weights[1]));
}
