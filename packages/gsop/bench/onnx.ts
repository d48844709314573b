import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `Bottleneck.chan_att` of the PyTorch code, and the product with its input. */
export function globalSecondOrderPoolingGraph(g: GraphBuilder, x = g.input, prefix = ''): Value {
  const [channels, width] = g.shapeOf(`${prefix}reduce/kernel`).slice(-2);
  const stride = channels > 256 ? 1 : 2;
  const positions = Math.ceil(g.height / stride) * Math.ceil(g.width / stride);
  const z = g.relu(g.batchNorm(g.conv(g.relu(x), `${prefix}reduce`, { stride }), `${prefix}reduceNorm`));
  const features = g.reshape(z, [g.batch, width, positions]);
  const deviations = g.op('Sub', [features, g.mean(features, [2])]);
  const covariance = g.mul(g.matMul(deviations, g.transpose(deviations, [0, 2, 1])), g.scalar(1 / positions));
  const rows = g.batchNorm(g.reshape(covariance, [g.batch, width, width, 1]), `${prefix}rowNorm`);
  const convolved = g.reshape(g.depthwise(rows, `${prefix}rowConv`, { bias: true, padding: 0 }), [g.batch, -1]);
  return g.gateChannels(x, g.dense(convolved, `${prefix}expand`));
}

/** As `Bottleneck` of the PyTorch code, with its channel attention. */
export function globalSecondOrderBottleneckGraph(g: GraphBuilder): Value {
  const inner = g.relu(g.convNorm(g.relu(g.convNorm(g.input, 'reduce')), 'conv'));
  return g.relu(g.add(globalSecondOrderPoolingGraph(g, g.convNorm(inner, 'expand'), 'channel/'), g.input));
}
