import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `ContextBlock.spatial_pool` of the PyTorch code: `[N, C]`. */
function context(g: GraphBuilder): Value {
  const mask = g.softmax(g.reshape(g.conv(g.input, 'mask'), [g.batch, -1, 1]), 1);
  const pooled = g.matMul(g.reshape(g.input, [g.batch, g.channels, -1]), mask); // [N, C, 1]
  return g.reshape(pooled, [g.batch, g.channels]);
}

function addToAll(g: GraphBuilder, y: Value): Value {
  return g.add(g.input, g.reshape(y, [g.batch, -1, 1, 1]));
}

/** As `ContextBlock` of the PyTorch code, fused by addition. */
export function globalContextGraph(g: GraphBuilder): Value {
  const normed = g.layerNorm(g.dense(context(g), 'add/reduce'), 'add/norm');
  return addToAll(g, g.dense(g.relu(normed), 'add/expand'));
}

export function simplifiedNonLocalGraph(g: GraphBuilder): Value {
  return addToAll(g, g.dense(context(g), 'value', { bias: false }));
}
