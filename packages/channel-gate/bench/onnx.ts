import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** Squeeze-and-excitation. */
export function channelGatingGraph(g: GraphBuilder): Value {
  const hidden = g.relu(g.dense(g.globalAverage(g.input), 'excitation/reduce'));
  return g.gateChannels(g.input, g.dense(hidden, 'excitation/expand'));
}

/** Standard deviations, and the mean of the gates of three convolutions over the channels. */
export function channelGatingMultiScaleGraph(g: GraphBuilder): Value {
  const deviations = g.op('Sub', [g.input, g.mean(g.input, [2, 3])]);
  const squeezed = g.op('Sqrt', [g.mean(g.mul(deviations, deviations), [2, 3])]);
  const channels = g.reshape(squeezed, [g.batch, 1, -1]);
  const [a, b, c] = [3, 5, 7].map((size) => g.sigmoid(g.conv1d(channels, `excitation/conv${size}`)));
  const gate = g.mul(g.add(g.add(a, b), c), g.scalar(1 / 3));
  return g.mul(g.input, g.reshape(gate, [g.batch, -1, 1, 1]));
}
