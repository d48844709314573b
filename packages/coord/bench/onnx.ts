import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `CoordAtt` of the PyTorch code. */
export function coordinateAttentionGraph(g: GraphBuilder): Value {
  const rows = g.mean(g.input, [3]);
  const columns = g.transpose(g.mean(g.input, [2]), [0, 1, 3, 2]);
  const y = g.op('HardSwish', [g.batchNorm(g.conv(g.concat([rows, columns], 2), 'reduce'), 'norm')]);
  const [ofRows, ofColumns] = g.split(y, [g.height, g.width], 2);
  const gateH = g.sigmoid(g.conv(ofRows, 'expandHeight'));
  const gateW = g.sigmoid(g.conv(g.transpose(ofColumns, [0, 1, 3, 2]), 'expandWidth'));
  return g.mul(g.mul(g.input, gateW), gateH);
}
