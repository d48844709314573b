import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As the equations of Linsley et al. 2019 read. */
export function globalLocalAttentionGraph(g: GraphBuilder): Value {
  const hidden = g.relu(g.dense(g.globalAverage(g.input), 'globalShrink'));
  const global = g.reshape(g.dense(hidden, 'globalExpand'), [g.batch, -1, 1, 1]);
  const local = g.conv(g.relu(g.conv(g.input, 'localShrink')), 'localCollapse');
  const [a, m] = ['additive', 'multiplicative'].map((name) => g.weight(name, [1, -1, 1, 1]));
  const logits = g.add(g.mul(a, g.add(global, local)), g.mul(m, g.mul(global, local)));
  return g.mul(g.input, g.op('Tanh', [logits]));
}
