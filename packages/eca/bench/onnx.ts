import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `eca_layer` of the PyTorch code: a convolution over the channels, in their order. */
export function efficientChannelAttentionGraph(g: GraphBuilder): Value {
  const channels = g.reshape(g.op('GlobalAveragePool', [g.input]), [g.batch, 1, -1]);
  return g.gateChannels(g.input, g.conv1d(channels, 'conv'));
}
