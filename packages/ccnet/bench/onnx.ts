import { eye, expandDims, mul } from '@tensorflow/tfjs-core';
import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `CrissCrossAttention` of the PyTorch code, two loops. */
export function crissCrossAttentionGraph(g: GraphBuilder): Value {
  return loop(g, loop(g, g.input));
}

/** As `RCCAModule` of the PyTorch code, with its classifier. */
export function recurrentCrissCrossHeadGraph(g: GraphBuilder): Value {
  const activated = (x: Value, name: string) => g.op('LeakyRelu', [g.convNorm(x, name)], { alpha: 0.01 });
  const attended = loop(g, loop(g, activated(g.input, 'reduce'), 'attention/'), 'attention/');
  return g.conv(activated(g.concat([g.input, activated(attended, 'refine')], 1), 'fuse'), 'classify');
}

function loop(g: GraphBuilder, x: Value, prefix = ''): Value {
  const { batch, height, width } = g;
  const swap = (x: Value) => g.transpose(x, [0, 2, 1]);
  const columns = (x: Value) => g.reshape(g.transpose(x, [0, 3, 1, 2]), [batch * width, -1, height]); // [N·W, C', H]
  const rows = (x: Value) => g.reshape(g.transpose(x, [0, 2, 1, 3]), [batch * height, -1, width]); // [N·H, C', W]

  const [q, k, v] = ['query', 'key', 'value'].map((name) => g.conv(x, prefix + name));
  const itself = g.tensor(() => expandDims(mul(eye(height), -1e30)));
  const alongColumns = g.add(g.matMul(swap(columns(q)), columns(k)), itself);
  const energyH = g.transpose(g.reshape(alongColumns, [batch, width, height, height]), [0, 2, 1, 3]);
  const energyW = g.reshape(g.matMul(swap(rows(q)), rows(k)), [batch, height, width, width]);
  const [ofColumns, ofRows] = g.split(g.softmax(g.concat([energyH, energyW], 3)), [height, width], 3);
  const attentionH = g.reshape(g.transpose(ofColumns, [0, 2, 1, 3]), [batch * width, height, height]);
  const attentionW = g.reshape(ofRows, [batch * height, width, width]);
  const outH = g.reshape(g.matMul(columns(v), swap(attentionH)), [batch, width, -1, height]);
  const outW = g.reshape(g.matMul(rows(v), swap(attentionW)), [batch, height, -1, width]);
  const out = g.add(g.transpose(outH, [0, 2, 3, 1]), g.transpose(outW, [0, 2, 1, 3]));
  return g.add(g.mul(g.weight(`${prefix}gamma`), out), x);
}
