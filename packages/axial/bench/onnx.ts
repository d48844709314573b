import { gather, reshape, tensor1d, transpose } from '@tensorflow/tfjs-core';
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

/** As `AxialAttention` of Axial-DeepLab's PyTorch code, along one axis of a map: `[N, C, H, W]`. */
export function positionSensitiveGraph(g: GraphBuilder, groups: number, along: 'height' | 'width', x = g.input, prefix = ''): Value {
  const { batch } = g;
  const [rest, length] = along === 'height' ? [g.width, g.height] : [g.height, g.width];
  const [lines, perm] = [batch * rest, along === 'height' ? [0, 3, 1, 2] : [0, 2, 1, 3]];
  const perGroup = (name: string) =>
    g.reshape(g.transpose(project(g, x, prefix + name), perm), [lines, groups, g.shapeOf(`${prefix}${name}/dense/kernel`)[1] / groups, length]);
  // [length, lines·groups, …], so that each position is multiplied by its own embeddings
  const positionsFirst = (x: Value, order: number[]) => g.reshape(g.transpose(x, order), [length, lines * groups, -1]);
  const pairs = (x: Value) => g.reshape(x, [lines, groups, length, length]);
  const [q, k, v] = ['query', 'key', 'value'].map(perGroup); // [lines, groups, D, length]

  const qk = g.matMul(g.transpose(q, [0, 1, 3, 2]), k);
  const qr = g.matMul(positionsFirst(q, [3, 0, 1, 2]), embeddings(g, `${prefix}distances/query`, length, [0, 2, 1]));
  const kr = g.matMul(positionsFirst(k, [3, 0, 1, 2]), embeddings(g, `${prefix}distances/key`, length, [0, 2, 1]));
  const terms = [qk, pairs(g.transpose(qr, [1, 0, 2])), pairs(g.transpose(kr, [1, 2, 0]))];
  const [a, b, c] = g.split(g.batchNorm(g.concat(terms, 1), `${prefix}logitNorm`), [groups, groups, groups], 1);
  const attention = g.softmax(g.add(g.add(a, b), c));

  const sv = g.reshape(g.matMul(v, g.transpose(attention, [0, 1, 3, 2])), [lines, -1, length]); // [lines, C, length]
  const sve = g.matMul(positionsFirst(attention, [2, 0, 1, 3]), embeddings(g, `${prefix}distances/value`, length, [0, 1, 2]));
  const positions = g.reshape(g.transpose(sve, [1, 2, 0]), [lines, -1, length]);
  const sum = g.add(g.batchNorm(sv, `${prefix}contentNorm`), g.batchNorm(positions, `${prefix}positionNorm`));
  return g.transpose(g.reshape(sum, [batch, rest, -1, length]), along === 'height' ? [0, 2, 3, 1] : [0, 2, 1, 3]);
}

/** As `AxialBlock` of Axial-DeepLab's PyTorch code. */
export function axialBlockGraph(g: GraphBuilder, groups: number): Value {
  const columns = positionSensitiveGraph(g, groups, 'height', g.relu(project(g, g.input, 'reduce')), 'height/');
  const both = g.relu(positionSensitiveGraph(g, groups, 'width', columns, 'width/'));
  return g.relu(g.add(project(g, both, 'expand'), g.input));
}

function project(g: GraphBuilder, x: Value, name: string): Value {
  return g.batchNorm(g.conv(x, `${name}/dense`, { bias: false }), `${name}/norm`);
}

/** A table's rows for each pair of positions, `[length, length, D]`, with axes in another order: the code gathers them once. */
function embeddings(g: GraphBuilder, table: string, length: number, perm: number[]): Value {
  const distances = Array.from({ length: length * length }, (_, i) => (i % length) - Math.floor(i / length) + length - 1);
  return g.tensor((read) => transpose(reshape(gather(read(table), tensor1d(distances, 'int32')), [length, length, -1]), perm));
}
