import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `SELayer` of the PyTorch code. */
export function squeezeExciteGraph(g: GraphBuilder): Value {
  const squeezed = g.globalAverage(g.input);
  return g.gateChannels(g.input, g.dense(g.relu(g.dense(squeezed, 'reduce')), 'expand'));
}
