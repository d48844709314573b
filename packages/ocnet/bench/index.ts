import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { aspObjectContext, baseObjectContext, pyramidObjectContext } from '@saccade/ocnet';
import { add, batchNorm, concat, conv2d, image, leakyRelu, matMul, maxPool, mul, reshape, slice, softmax } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';

type Step = (x: Tensor4D) => Tensor4D;

function plainConv1x1(weight: WeightReader, name: string, useBias = true): Step {
  const kernel = weight<Tensor2D>(`${name}/kernel`);
  const filter: Tensor4D = reshape(kernel, [1, 1, kernel.shape[0], kernel.shape[1]]);
  if (!useBias) return (x) => conv2d(x, filter, 1, 'same');
  const bias = weight(`${name}/bias`);
  return (x) => add(conv2d(x, filter, 1, 'same'), bias);
}

/** An activated batch norm, after a convolution. */
function plainActivated(weight: WeightReader, name: string, conv: Step): Step {
  const [mean, variance, beta, gamma] = ['movingMean', 'movingVariance', 'beta', 'gamma'].map((part) => weight<Tensor1D>(`${name}/norm/${part}`));
  return (x) => leakyRelu(batchNorm<Tensor4D['rankType']>(conv(x), mean, variance, beta, gamma, 1e-5), 0.01);
}

function plainActivated1x1(weight: WeightReader, name: string, useBias = true): Step {
  return plainActivated(weight, name, plainConv1x1(weight, `${name}/conv`, useBias));
}

function plainActivated3x3(weight: WeightReader, name: string, dilation: number): Step {
  const kernel = weight<Tensor4D>(`${name}/conv/kernel`);
  return plainActivated(weight, name, (x) => conv2d(x, kernel, 1, 'same', 'NHWC', dilation));
}

/** The self-attention block, in each cell of a grid. */
function plainAttention(weight: WeightReader, name: string, grid = 1): Step {
  const key = plainActivated1x1(weight, `${name}/key`);
  const [value, output] = ['value', 'output'].map((part) => plainConv1x1(weight, `${name}/${part}`));
  return (x) => {
    const [batch, height, width] = x.shape;
    const [k, v] = [key(x), value(x)];
    const cell = (row: number, column: number): Tensor4D => {
      const [stepH, stepW] = [Math.floor(height / grid), Math.floor(width / grid)];
      const rows = row === grid - 1 ? height - row * stepH : stepH;
      const columns = column === grid - 1 ? width - column * stepW : stepW;
      const local = (x: Tensor4D): Tensor3D => {
        const part = slice(x, [0, row * stepH, column * stepW, 0], [batch, rows, columns, x.shape[3]]);
        return reshape(part, [batch, rows * columns, x.shape[3]]);
      };
      const keys = local(k);
      const similarity = softmax(mul(matMul(keys, keys, false, true), k.shape[3] ** -0.5));
      return reshape(matMul(similarity, local(v)), [batch, rows, columns, v.shape[3]]);
    };
    const all = Array.from({ length: grid }, (_, i) => i);
    return output(
      concat(
        all.map((row) =>
          concat(
            all.map((column) => cell(row, column)),
            2,
          ),
        ),
        1,
      ),
    );
  };
}

const SHAPES = [
  [1, 64, 64, 128],
  [1, 28, 28, 512],
  [1, 14, 14, 1024],
];

const similarityBytes = ([batch, height, width]: readonly number[]) => 2 * 4 * batch * (height * width) ** 2;

const entries: BenchEntry[] = [
  {
    block: 'BaseObjectContext',
    layer: () => baseObjectContext(),
    baseline: (weight) => {
      const stage = plainAttention(weight, 'stage0');
      const fuse = plainActivated1x1(weight, 'fuse');
      return (x) => fuse(concat([stage(x), x], 3));
    },
    shapes: SHAPES,
    baselineBytes: similarityBytes,
    slot: 'head',
  },
  {
    block: 'PyramidObjectContext',
    layer: () => pyramidObjectContext(),
    baseline: (weight) => {
      const stages = [1, 2, 3, 6].map((grid, i) => plainAttention(weight, `stage${i}`, grid));
      const [widen, fuse] = ['widen', 'fuse'].map((name) => plainActivated1x1(weight, name));
      return (x) => fuse(concat([widen(x), ...stages.map((stage) => stage(x))], 3));
    },
    shapes: SHAPES,
    baselineBytes: similarityBytes,
    slot: 'head',
    hostLayer: () => pyramidObjectContext({ sizes: [1, 2] }),
  },
  {
    block: 'ASPObjectContext',
    layer: () => aspObjectContext(),
    baseline: (weight) => {
      const reduceBias = weight('reduce/conv/bias');
      const reduceKernel = weight<Tensor4D>('reduce/conv/kernel');
      const reduce = plainActivated(weight, 'reduce', (x): Tensor4D => add(conv2d(x, reduceKernel, 1, 'same'), reduceBias));
      const stage = plainAttention(weight, 'context/stage0');
      const context = plainActivated1x1(weight, 'context/fuse');
      const branches = [
        plainActivated1x1(weight, 'branch0', false),
        ...[12, 24, 36].map((dilation, i) => plainActivated3x3(weight, `branch${i + 1}`, dilation)),
      ];
      const fuse = plainActivated1x1(weight, 'fuse', false);
      return (x): Tensor => {
        const small = stage(maxPool(reduce(x), 2, 2, 'valid'));
        const large = image.resizeBilinear(small, [x.shape[1], x.shape[2]], true);
        return fuse(concat([context(large), ...branches.map((branch) => branch(x))], 3));
      };
    },
    shapes: SHAPES,
    baselineBytes: ([batch, height, width]) => similarityBytes([batch, Math.floor(height / 2), Math.floor(width / 2)]),
    slot: 'head',
    hostLayer: (channels) => aspObjectContext({ width: channels / 2, dilations: [1, 2, 3] }),
  },
];

export default entries;
