import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { plainBatchNorm, plainConvNorm, type PlainLayer } from '@saccade/bench/plain';
import { seaFormerBlock, squeezeAxialAttention } from '@saccade/sea';
import {
  add,
  batchNorm,
  concat,
  conv2d,
  depthwiseConv2d,
  image,
  matMul,
  mean,
  mul,
  relu6,
  reshape,
  softmax,
  split,
  transpose,
} from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';

const [HEADS, KEYS, VALUES] = [8, 8 * 16, 8 * 32];

/** Those of queries, keys and values, which the authors' module has one by one. */
function plainProjections(weight: WeightReader, name: string): PlainLayer[] {
  const widths = [KEYS, KEYS, VALUES];
  const kernels: Tensor4D[] = split(weight<Tensor4D>(`${name}/conv/kernel`), widths, 3);
  const parts = ['movingMean', 'movingVariance', 'beta', 'gamma'].map((part) => split<Tensor1D>(weight<Tensor1D>(`${name}/norm/${part}`), widths));
  return kernels.map((kernel, i) => {
    const [mean, variance, beta, gamma] = parts.map((values) => values[i]);
    return (x) => batchNorm<Tensor4D['rankType']>(conv2d(x, kernel, 1, 'same'), mean, variance, beta, gamma, 1e-5);
  });
}

function plainAxis(weight: WeightReader, name: string): (q: Tensor3D, k: Tensor3D, v: Tensor3D) => Tensor4D {
  const [queryPositions, keyPositions] = ['queryPositions', 'keyPositions'].map(
    (table) => reshape(weight(`${name}/${table}`), [1, 1, 16, KEYS]) as Tensor4D,
  );
  const encode = plainConvNorm(weight, `${name}/encode`);
  const heads = (x: Tensor): Tensor4D => transpose(reshape(x, [x.shape[0], x.shape[1]!, HEADS, -1]), [0, 2, 1, 3]);
  const placed = (x: Tensor3D, table: Tensor4D) => add(x, reshape(image.resizeBilinear(table, [1, x.shape[1]], false, true), [x.shape[1], KEYS]));
  return (q, k, v) => {
    const [images, length] = q.shape;
    const logits = mul(matMul(heads(placed(q, queryPositions)), heads(placed(k, keyPositions)), false, true), 16 ** -0.5);
    const attended = transpose(matMul(softmax(logits), heads(v)), [0, 2, 1, 3]);
    return encode(relu6(reshape(attended, [images, length, 1, VALUES])));
  };
}

function plainAttention(weight: WeightReader, prefix = ''): PlainLayer {
  const projections = plainProjections(weight, `${prefix}project`);
  const [enhance, enhanceNorm] = [weight<Tensor4D>(`${prefix}enhance/conv/kernel`), plainBatchNorm(weight, `${prefix}enhance/norm`)];
  const [restore, fuse] = ['restore', 'fuse'].map((name) => plainConvNorm(weight, prefix + name));
  const [rowAttention, columnAttention] = ['row', 'column'].map((name) => plainAxis(weight, prefix + name));
  return (x) => {
    const [q, k, v] = projections.map((project) => project(x));
    const details = restore(relu6(enhanceNorm(depthwiseConv2d(concat([q, k, v], 3), enhance, 1, 'same'))));
    const row = rowAttention(mean(q, 2), mean(k, 2), mean(v, 2));
    const column = transpose(columnAttention(mean(q, 1), mean(k, 1), mean(v, 1)), [0, 2, 1, 3]);
    const gate = mul(relu6(add(fuse(relu6(add(v, add(row, column)))), 3)), 1 / 6);
    return mul(gate, details);
  };
}

const entries: BenchEntry[] = [
  {
    block: 'SqueezeAxialAttention',
    layer: () => squeezeAxialAttention(),
    baseline: (weight) => plainAttention(weight),
    slot: 'branch',
    hostLayer: () => squeezeAxialAttention({ heads: 2, headChannels: 8 }),
  },
  {
    block: 'SeaFormerBlock',
    layer: () => seaFormerBlock(),
    baseline: (weight) => {
      const attention = plainAttention(weight, 'attention/');
      const [expand, reduce] = ['expand', 'reduce'].map((name) => plainConvNorm(weight, name));
      const [kernel, bias] = [weight<Tensor4D>('mix/kernel'), weight('mix/bias')];
      return (x) => {
        const attended = add<Tensor4D>(x, attention(x));
        return add(attended, reduce(relu6(add<Tensor4D>(depthwiseConv2d(expand(attended), kernel, 1, 'same'), bias))));
      };
    },
    slot: 'stage',
    hostLayer: () => seaFormerBlock({ heads: 2, headChannels: 8, mlpRatio: 2 }),
  },
];

export default entries;
