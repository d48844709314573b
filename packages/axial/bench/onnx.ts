import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `AxialAttention` of the PyTorch code: self-attention along columns, plus that along rows. */
export function axialAttentionGraph(g: GraphBuilder, groups: number): Value {
  const { batch, height, width } = g;
  const ofColumns = alongLines(g, 'height', groups, g.transpose(g.input, [0, 3, 2, 1]), [batch * width, height]);
  const ofRows = alongLines(g, 'width', groups, g.transpose(g.input, [0, 2, 3, 1]), [batch * height, width]);
  const columns = g.transpose(g.reshape(ofColumns, [batch, width, height, -1]), [0, 3, 2, 1]);
  return g.add(columns, g.transpose(g.reshape(ofRows, [batch, height, width, -1]), [0, 3, 1, 2]));
}

/** As `SelfAttention` of the PyTorch code, whose projections are linear layers: `[lines, length, C]`. */
function alongLines(g: GraphBuilder, axis: string, groups: number, x: Value, [lines, length]: [lines: number, length: number]): Value {
  const depth = g.channels / groups;
  const rows = g.reshape(x, [lines, length, -1]);
  const heads = (x: Value, perm: number[]) => g.transpose(g.reshape(x, [lines, length, groups, depth]), perm);
  const project = (x: Value, name: string) => g.matMul(x, g.weight(`${axis}/${name}/kernel`));
  const [q, v] = ['query', 'value'].map((name) => heads(project(rows, name), [0, 2, 1, 3]));
  const dots = g.mul(g.matMul(q, heads(project(rows, 'key'), [0, 2, 3, 1])), g.scalar(depth ** -0.5));
  const attended = g.transpose(g.matMul(g.softmax(dots), v), [0, 2, 1, 3]);
  return g.add(project(g.reshape(attended, [lines, length, -1]), 'out'), g.weight(`${axis}/out/bias`));
}
