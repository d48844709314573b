import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `CBAM` of the PyTorch code. */
export function cbamGraph(g: GraphBuilder): Value {
  const mlp = (pooled: Value) => g.dense(g.relu(g.dense(pooled, 'channelGate/reduce')), 'channelGate/expand');
  const y = g.gateChannels(g.input, g.add(mlp(g.globalAverage(g.input)), mlp(g.globalMax(g.input))));
  const pooled = g.concat([g.max(y, [1]), g.mean(y, [1])], 1);
  return g.mul(y, g.sigmoid(g.convNorm(pooled, 'spatialGate')));
}
