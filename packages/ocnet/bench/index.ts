import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { plainConv, plainConvNorm, type PlainConvOptions, type PlainLayer } from '@saccade/bench/plain';
import { aspObjectContext, baseObjectContext, pyramidObjectContext } from '@saccade/ocnet';
import { concat, image, leakyRelu, matMul, maxPool, mul, reshape, slice, softmax } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { baseObjectContextGraph } from './onnx.ts';

/** A convolution, its batch norm and the activation. */
function plainActivated(weight: WeightReader, name: string, options?: PlainConvOptions): PlainLayer {
  const convNorm = plainConvNorm(weight, name, options);
  return (x) => leakyRelu(convNorm(x), 0.01);
}

/** The self-attention block, in each cell of a grid. */
function plainAttention(weight: WeightReader, name: string, grid = 1): PlainLayer {
  const key = plainActivated(weight, `${name}/key`, { useBias: true });
  const [value, output] = ['value', 'output'].map((part) => plainConv(weight, `${name}/${part}`));
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
      const fuse = plainActivated(weight, 'fuse', { useBias: true });
      return (x) => fuse(concat([stage(x), x], 3));
    },
    shapes: SHAPES,
    baselineBytes: similarityBytes,
    onnx: baseObjectContextGraph,
    slot: 'head',
  },
  {
    block: 'PyramidObjectContext',
    layer: () => pyramidObjectContext(),
    baseline: (weight) => {
      const stages = [1, 2, 3, 6].map((grid, i) => plainAttention(weight, `stage${i}`, grid));
      const [widen, fuse] = ['widen', 'fuse'].map((name) => plainActivated(weight, name, { useBias: true }));
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
      const reduce = plainActivated(weight, 'reduce', { useBias: true });
      const stage = plainAttention(weight, 'context/stage0');
      const context = plainActivated(weight, 'context/fuse', { useBias: true });
      const branches = [1, 12, 24, 36].map((dilation, i) => plainActivated(weight, `branch${i}`, { dilation })); // the first is 1×1
      const fuse = plainActivated(weight, 'fuse');
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
