import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { plainBatchNorm } from '@saccade/bench/plain';
import { axialAttention, axialBlock, positionSensitiveAxialAttention } from '@saccade/axial';
import { add, concat, gather, matMul, mul, relu, reshape, softmax, tensor1d, transpose } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { axialAttentionGraph, axialBlockGraph, positionSensitiveGraph } from './onnx.ts';

const GROUPS = 8;

function plainPointwise(weight: WeightReader, name: string): (x: Tensor) => Tensor {
  const kernel = weight<Tensor2D>(`${name}/kernel`);
  return (x) => reshape(matMul(reshape(x, [-1, kernel.shape[0]]), kernel), [...x.shape.slice(0, -1), kernel.shape[1]]);
}

function plainProjection(weight: WeightReader, name: string): (x: Tensor4D) => Tensor4D {
  const [dense, norm] = [plainPointwise(weight, `${name}/dense`), plainBatchNorm(weight, `${name}/norm`)];
  return (x) => norm(dense(x) as Tensor4D);
}

/** As the PyTorch module computes it, on the map with the axis last but one. */
function plainSelfAttention(weight: WeightReader, name: string): (x: Tensor4D) => Tensor {
  const [query, key, value, out] = ['query', 'key', 'value', 'out'].map((part) => plainPointwise(weight, `${name}/${part}`));
  const bias = weight(`${name}/out/bias`);
  return (x) => {
    const [batch, rest, length, channels] = x.shape;
    const depth = channels / GROUPS;
    const mergeHeads = (x: Tensor): Tensor =>
      reshape(transpose(reshape(x, [batch * rest, length, GROUPS, depth]), [0, 2, 1, 3]), [batch * rest * GROUPS, length, depth]);
    const [q, k, v] = [query, key, value].map((project) => mergeHeads(project(x)));
    const dots = softmax(mul(matMul(q, k, false, true), depth ** -0.5));
    const heads = reshape(matMul(dots, v), [batch * rest, GROUPS, length, depth]);
    return add(out(reshape(transpose(heads, [0, 2, 1, 3]), x.shape)), bias);
  };
}

/** As the PyTorch module computes it, on the map with the axis last but one. */
function plainPositionSensitive(weight: WeightReader, prefix = ''): (x: Tensor4D) => Tensor4D {
  const [query, key, value] = ['query', 'key', 'value'].map((name) => plainProjection(weight, prefix + name));
  const tables = ['query', 'key', 'value'].map((name) => weight<Tensor2D>(`${prefix}distances/${name}`));
  const [contentNorm, positionNorm] = ['contentNorm', 'positionNorm'].map((name) => plainBatchNorm(weight, prefix + name));
  const logitNorm = plainBatchNorm(weight, `${prefix}logitNorm`);
  return (x) => {
    const [batch, rest, length] = x.shape;
    const distances = Array.from({ length: length * length }, (_, i) => (i % length) - Math.floor(i / length) + length - 1);
    const index = tensor1d(distances, 'int32');
    const [fromQuery, fromKey, ofValue] = tables.map((table): Tensor => reshape(gather(table, index), [length, length, -1]));
    const perGroup = (x: Tensor): Tensor =>
      reshape(transpose(reshape(x, [batch * rest, length, GROUPS, -1]), [0, 2, 1, 3]), [batch * rest * GROUPS, length, -1]);
    const [q, k, v] = [query, key, value].map((project) => perGroup(project(x)));
    const lines = q.shape[0];
    const positionsFirst = (x: Tensor) => transpose(x, [1, 0, 2]);
    const qk = matMul(q, k, false, true);
    const qr = positionsFirst(matMul(positionsFirst(q), fromQuery, false, true));
    const kr = transpose(matMul(positionsFirst(k), fromKey, false, true), [1, 2, 0]);
    const logits = concat(
      [qk, qr, kr].map((term) => reshape(term, [lines / GROUPS, GROUPS, length, length])),
      1,
    );
    const normalised = transpose(logitNorm(transpose(logits, [0, 2, 3, 1]) as Tensor4D), [0, 3, 1, 2]);
    const [a, b, c] = [0, 1, 2].map((term) =>
      gather(
        normalised,
        [...Array(GROUPS).keys()].map((group) => term * GROUPS + group),
        1,
      ),
    );
    const attention: Tensor = reshape(softmax(add(add(a, b), c)), [lines, length, length]);
    const sv = matMul(attention, v);
    const sve = positionsFirst(matMul(positionsFirst(attention), ofValue));
    const joinGroups = (x: Tensor): Tensor4D =>
      reshape(transpose(reshape(x, [batch * rest, GROUPS, length, -1]), [0, 2, 1, 3]), [batch, rest, length, -1]);
    return add(contentNorm(joinGroups(sv)), positionNorm(joinGroups(sve)));
  };
}

const onColumns =
  (f: (x: Tensor4D) => Tensor) =>
  (x: Tensor4D): Tensor4D =>
    transpose(f(transpose(x, [0, 2, 1, 3])), [0, 2, 1, 3]) as Tensor4D;

const entries: BenchEntry[] = [
  {
    block: 'AxialAttention',
    layer: () => axialAttention(),
    baseline: (weight) => {
      const [height, width] = ['height', 'width'].map((axis) => plainSelfAttention(weight, axis));
      return (x) => add(onColumns(height)(x), width(x));
    },
    onnx: (g) => axialAttentionGraph(g, GROUPS),
    slot: 'convolution',
  },
  {
    block: 'PositionSensitiveAxialAttention',
    layer: () => positionSensitiveAxialAttention(),
    baseline: (weight) => onColumns(plainPositionSensitive(weight)),
    onnx: (g) => positionSensitiveGraph(g, GROUPS, 'height'),
    slot: 'convolution',
  },
  {
    block: 'AxialBlock',
    layer: () => axialBlock(),
    baseline: (weight) => {
      const [reduce, expand] = ['reduce', 'expand'].map((name) => plainProjection(weight, name));
      const [height, width] = ['height/', 'width/'].map((prefix) => plainPositionSensitive(weight, prefix));
      return (x) => relu(add(expand(relu(width(onColumns(height)(relu(reduce(x)))))), x));
    },
    // The logits of its second attention reach hundreds.
    tolerance: 1e-3,
    onnx: (g) => axialBlockGraph(g, GROUPS),
    slot: 'stage',
    hostLayer: () => axialBlock({ groups: 4 }),
  },
];

export default entries;
