import {
  attend,
  attentionPool,
  batchNormInference,
  channelAvgPool,
  channelMaxPool,
  convolvePlanes,
  globalAvgPool,
  globalLogSumExpPool,
  globalLpPool,
  globalMaxPool,
  globalStdPool,
  matMul,
  scale,
  stripAvgPool,
  stripMaxPool,
  transposeLast,
} from '@saccade/core';
import {
  abs,
  add,
  batchNorm,
  conv2d,
  logSumExp,
  matMul as tfMatMul,
  max,
  mean,
  mul,
  moments,
  neg,
  ones,
  pow,
  randomUniform,
  reshape,
  softmax,
  sqrt,
  squeeze,
  stack,
  sum,
  zeros,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import type { MapShape } from '../entry.ts';
import { inputOf, type Match } from './match.ts';

/** A primitive of core: the formulation that core takes on the current backend, and the natural one. */
interface Primitive {
  readonly shapes: readonly MapShape[];
  /** Sets up both for a shape; what they compute with besides their input is made once. */
  readonly forms: (shape: MapShape) => { ours: (x: any) => Tensor; natural: (x: any) => Tensor };
}

const MAPS: readonly MapShape[] = [
  [1, 56, 56, 256],
  [1, 14, 14, 1024],
];
const TOKENS: readonly MapShape[] = [[1, 4096, 64]];
// Those of the spatial gate, and of triplet attention where its planes have the channels on one side.
const PLANES: readonly MapShape[] = [
  [1, 56, 56],
  [1, 14, 14],
  [1, 56, 256],
];

const pooling = (ours: (x: Tensor4D) => Tensor, natural: (x: Tensor4D) => Tensor): Primitive => ({ shapes: MAPS, forms: () => ({ ours, natural }) });

const PRIMITIVES: Record<string, Primitive> = {
  globalAvgPool: pooling(globalAvgPool, (x) => mean(x, [1, 2])),
  globalMaxPool: pooling(globalMaxPool, (x) => max(x, [1, 2])),
  globalStdPool: pooling(globalStdPool, (x) => sqrt(moments(x, [1, 2]).variance)),
  globalLpPool: pooling(globalLpPool, (x) => sqrt(sum(pow(abs(x), 2), [1, 2]))),
  globalLogSumExpPool: pooling(globalLogSumExpPool, (x) => logSumExp(x, [1, 2])),
  stripAvgPoolOverHeight: pooling(
    (x) => stripAvgPool(x, 'height'),
    (x) => mean(x, 1),
  ),
  stripAvgPoolOverWidth: pooling(
    (x) => stripAvgPool(x, 'width'),
    (x) => mean(x, 2),
  ),
  stripMaxPoolOverHeight: pooling(
    (x) => stripMaxPool(x, 'height'),
    (x) => max(x, 1),
  ),
  stripMaxPoolOverWidth: pooling(
    (x) => stripMaxPool(x, 'width'),
    (x) => max(x, 2),
  ),
  channelAvgPool: pooling(
    (x) => channelAvgPool(x),
    (x) => mean(x, -1),
  ),
  channelMaxPool: pooling(
    (x) => channelMaxPool(x),
    (x) => max(x, -1),
  ),
  attentionPool: {
    shapes: MAPS,
    forms: ([batch, height, width, channels]) => {
      const positions = height * width;
      const attention = softmax<Tensor2D>(randomUniform([batch, positions]));
      const natural = (x: Tensor4D) => squeeze(tfMatMul(reshape(attention, [batch, 1, positions]), reshape(x, [batch, positions, channels])), [1]);
      // Features are new for every image. The wasm backend packs a product's second matrix once a tensor, and would be timed without that.
      return { ours: (x: Tensor4D) => attentionPool(neg(x), attention), natural: (x: Tensor4D) => natural(neg(x)) };
    },
  },
  scaleByChannel: scaling(([batch, , , channels]) => [batch, 1, 1, channels]),
  scaleByPosition: scaling(([batch, height, width]) => [batch, height, width, 1]),
  convolvePlanes: {
    shapes: PLANES,
    forms: (shape) => {
      const second: Tensor3D = randomUniform(shape as [number, number, number]);
      const kernel: Tensor4D = randomUniform([7, 7, 2, 1]);
      return {
        ours: (x: Tensor3D) => convolvePlanes([x, second], kernel),
        natural: (x: Tensor3D) => squeeze(conv2d(stack([x, second], 3) as Tensor4D, kernel, 1, 'same'), [3]),
      };
    },
  },
  batchNormInference: {
    shapes: MAPS,
    forms: (shape) => {
      const channels: [number] = [shape.at(-1)!];
      const [mean, variance, gamma, beta] = [zeros(channels), ones(channels), randomUniform(channels), randomUniform(channels)] as [
        Tensor1D,
        Tensor1D,
        Tensor1D,
        Tensor1D,
      ];
      return {
        ours: (x: Tensor4D) => batchNormInference(x, { mean, variance }, gamma, beta, 1e-5),
        natural: (x: Tensor4D) => batchNorm(x, mean, variance, beta, gamma, 1e-5),
      };
    },
  },
  matMulOfTransposed: {
    shapes: TOKENS,
    forms: () => ({ ours: (q: Tensor3D) => matMul(q, transposeLast(q)), natural: (q: Tensor3D) => tfMatMul(q, q, false, true) }),
  },
  attend: {
    shapes: TOKENS,
    forms: (shape) => {
      const keyScale = 1 / Math.sqrt(shape.at(-1)!);
      return {
        ours: (q: Tensor3D) => attend(q, q, q, { scale: keyScale }),
        natural: (q: Tensor3D) => tfMatMul(softmax(mul(tfMatMul(q, q, false, true), keyScale)), q),
      };
    },
  },
};

function scaling(gateShape: (shape: MapShape) => number[]): Primitive {
  return {
    shapes: MAPS,
    forms: (shape) => {
      const gate = add(randomUniform(gateShape(shape)), 0.5);
      return { ours: (x: Tensor4D) => scale(x, gate), natural: (x: Tensor4D) => mul(x, gate) };
    },
  };
}

/** The names of the primitives, and the shapes that each is timed at. */
export function listPrimitives(): { name: string; shapes: readonly MapShape[] }[] {
  return Object.entries(PRIMITIVES).map(([name, { shapes }]) => ({ name, shapes }));
}

/** Sets up a primitive against its natural formulation. */
export function primitiveMatch(name: string, shape: MapShape): Match {
  const { ours, natural } = PRIMITIVES[name].forms(shape);
  return { input: inputOf(shape), subject: ours, baseline: natural };
}
