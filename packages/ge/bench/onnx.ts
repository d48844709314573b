import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** θ⁻, over the whole map. */
export function gatherExciteGraph(g: GraphBuilder): Value {
  return g.mul(g.input, g.sigmoid(g.op('GlobalAveragePool', [g.input])));
}

/** θ, over the whole map: a depthwise convolution as large as it. */
export function gatherExciteThetaGraph(g: GraphBuilder): Value {
  return g.mul(g.input, g.sigmoid(g.batchNorm(g.depthwise(g.input, 'gather/conv1', { padding: 0 }), 'gather/norm1')));
}

/** θ⁺ with an extent of 4: two strided depthwise convolutions, excitation, and nearest neighbours. */
export function gatherExciteLocalGraph(g: GraphBuilder): Value {
  const halved = g.relu(g.batchNorm(g.depthwise(g.input, 'gather/conv1', { stride: 2 }), 'gather/norm1'));
  const gathered = g.batchNorm(g.depthwise(halved, 'gather/conv2', { stride: 2 }), 'gather/norm2');
  const context = g.conv(g.relu(g.conv(gathered, 'excite/reduce')), 'excite/expand');
  return g.mul(g.input, g.sigmoid(g.resizeNearest(context, g.channels)));
}
