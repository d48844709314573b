import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `BAM` of the PyTorch code. */
export function bamGraph(g: GraphBuilder): Value {
  const hidden = g.relu(g.batchNorm(g.dense(g.globalAverage(g.input), 'channel0'), 'channelNorm0'));
  const channel = g.reshape(g.dense(hidden, 'toChannels'), [g.batch, -1, 1, 1]);
  let map = g.relu(g.batchNorm(g.conv(g.input, 'reduce'), 'reduceNorm'));
  for (const i of [0, 1]) map = g.relu(g.batchNorm(g.conv(map, `dilated${i}`, { dilation: 4 }), `dilatedNorm${i}`));
  const gate = g.sigmoid(g.mul(channel, g.conv(map, 'toMap')));
  return g.mul(g.add(g.scalar(1), gate), g.input);
}
