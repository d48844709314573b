import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As the paper's attention module, in units of pre-activation: `depth` times down and up again. */
export function residualAttentionModuleGraph(g: GraphBuilder, depth: number): Value {
  const normRelu = (x: Value, name: string) => g.relu(g.batchNorm(x, name));
  const conv = (x: Value, name: string) => g.conv(x, name, { bias: false });
  const unit = (x: Value, name: string) => {
    const reduced = normRelu(conv(normRelu(x, `${name}/norm1`), `${name}/reduce`), `${name}/norm2`);
    return g.add(conv(normRelu(conv(reduced, `${name}/conv`), `${name}/norm3`), `${name}/expand`), x);
  };
  const pool = (x: Value) => g.op('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1] });
  const sizes = Array.from({ length: depth }, (_, level) => [g.height, g.width].map((size) => size / 2 ** level));

  const shared = unit(g.input, 'first');
  const descend = (x: Value, level: number): Value => {
    const name = `hourglass/${'inner/'.repeat(level)}`;
    let h = unit(pool(x), `${name}down`);
    if (level + 1 < depth) h = g.add(descend(h, level + 1), unit(h, `${name}skip`));
    return g.resizeBilinear(unit(h, `${name}up`), g.channels, sizes[level]);
  };
  const mask = g.sigmoid(conv(normRelu(conv(normRelu(descend(shared, 0), 'norm1'), 'conv1'), 'norm2'), 'conv2'));
  return unit(g.mul(g.add(mask, g.scalar(1)), unit(unit(shared, 'trunk0'), 'trunk1')), 'last');
}
