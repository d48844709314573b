import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `SCConv` of the PyTorch code. */
export function selfCalibratedConvGraph(g: GraphBuilder, x = g.input, prefix = ''): Value {
  const channels = g.shapeOf(`${prefix}k2/conv/kernel`).at(-1)!;
  const pooled = g.op('AveragePool', [x], { kernel_shape: [4, 4], strides: [4, 4] });
  const gate = g.sigmoid(g.add(x, g.resizeNearest(g.convNorm(pooled, `${prefix}k2`), channels)));
  return g.convNorm(g.mul(g.convNorm(x, `${prefix}k3`), gate), `${prefix}k4`);
}

/** As `SCBottleneck` of the PyTorch code. */
export function selfCalibratedBottleneckGraph(g: GraphBuilder): Value {
  const a = g.relu(g.convNorm(g.relu(g.convNorm(g.input, 'reduceA')), 'k1'));
  const b = g.relu(selfCalibratedConvGraph(g, g.relu(g.convNorm(g.input, 'reduceB')), 'calibrated/'));
  return g.relu(g.add(g.convNorm(g.concat([a, b], 1), 'expand'), g.input));
}
