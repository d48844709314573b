import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { plainBatchNorm, plainConv, plainConvNorm, plainDense, type PlainLayer } from '@saccade/bench/plain';
import { globalSecondOrderBottleneck, globalSecondOrderPooling, positionSecondOrderPooling } from '@saccade/gsop';
import {
  add,
  avgPool,
  conv2d,
  depthwiseConv2d,
  div,
  matMul,
  mean,
  mul,
  relu,
  reshape,
  sigmoid,
  sub,
  sum,
  tensor3d,
  transpose,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { globalSecondOrderBottleneckGraph, globalSecondOrderPoolingGraph } from './onnx.ts';

/** From a covariance matrix: its batch norm and the row-wise convolution, whose channels are the rows. */
function plainRows(weight: WeightReader, prefix: string): (covariance: Tensor3D) => Tensor2D {
  const norm = plainBatchNorm(weight, `${prefix}rowNorm`);
  const [kernel, bias] = [weight<Tensor4D>(`${prefix}rowConv/kernel`), weight(`${prefix}rowConv/bias`)];
  return (covariance) => {
    const [images, size] = covariance.shape;
    const rows: Tensor4D = norm(reshape(transpose(covariance, [0, 2, 1]), [images, size, 1, size]));
    return reshape(add(depthwiseConv2d(rows, kernel, 1, 'valid'), bias), [images, -1]);
  };
}

/** The official `Bottleneck.chan_att`, and the product with its input. */
function plainChannelPooling(weight: WeightReader, prefix = ''): PlainLayer {
  const [reduce, reduceBias] = [weight<Tensor4D>(`${prefix}reduce/kernel`), weight(`${prefix}reduce/bias`)];
  const [reduceNorm, rowsOf, expand] = [
    plainBatchNorm(weight, `${prefix}reduceNorm`),
    plainRows(weight, prefix),
    plainDense(weight, `${prefix}expand`),
  ];
  return (x) => {
    const [images, , , channels] = x.shape;
    const stride = channels > 256 ? 1 : 2;
    const z = relu(reduceNorm(add(conv2d(relu(x), reduce, stride, 'valid'), reduceBias)));
    const [, height, width, d] = z.shape;
    const features: Tensor3D = reshape(z, [images, height * width, d]);
    const deviations = sub<Tensor3D>(features, mean(features, 1, true));
    const covariance: Tensor3D = div(matMul(deviations, deviations, true), height * width);
    const gate = sigmoid(expand(rowsOf(covariance)));
    return mul(x, reshape(gate, [images, 1, 1, channels]));
  };
}

const SIDE = 8;
const POSITIONS = SIDE * SIDE;

/** The official `Bottleneck.pos_att`, and the rectified product with its input. */
function plainPositionPooling(weight: WeightReader): PlainLayer {
  const [reduce, reduceNorm] = [plainConv(weight, 'reduce'), plainBatchNorm(weight, 'reduceNorm')];
  const [rowsOf, expand] = [plainRows(weight, ''), plainDense(weight, 'expand')];
  return (x) => {
    const [images, height, width] = x.shape;
    const z = reduceNorm(reduce(relu(x)));
    const features: Tensor3D = reshape(plainAdaptiveAvgPool(z, [SIDE, SIDE]), [images, POSITIONS, -1]);
    // The code's product with (I − 11ᵀ/64)/64 between the two.
    const sums = sum<Tensor3D>(features, 2, true);
    const products = matMul(features, features, false, true);
    const covariance: Tensor3D = sub(div(products, POSITIONS), div(matMul(sums, sums, false, true), POSITIONS ** 2));
    const gate = sigmoid(expand(relu(rowsOf(covariance))));
    return relu(mul(x, plainAdaptiveAvgPool(reshape(gate, [images, SIDE, SIDE, 1]), [height, width])));
  };
}

/** PyTorch's `adaptive_avg_pool2d`: one pooling where all windows are alike, else products with what each pixel gives to each window. */
function plainAdaptiveAvgPool(x: Tensor4D, [height, width]: [height: number, width: number]): Tensor4D {
  const [images, from, across, channels] = x.shape;
  if (from % height === 0 && across % width === 0) {
    const window: [number, number] = [from / height, across / width];
    return avgPool(x, window, window, 'valid');
  }
  const rows = matMul(shares(from, height), reshape(x, [images, from, across * channels]));
  const columns = matMul(shares(across, width), reshape(rows, [images * height, across, channels]));
  return reshape(columns, [images, height, width, channels]);
}

// [1, count, size]
function shares(size: number, count: number): Tensor3D {
  const values = Array.from({ length: count }, (_, i) => {
    const [start, end] = [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)];
    return Array.from({ length: size }, (_, pixel) => (pixel >= start && pixel < end ? 1 / (end - start) : 0));
  });
  return tensor3d([values]);
}

const entries: BenchEntry[] = [
  {
    block: 'GlobalSecondOrderPooling',
    layer: () => globalSecondOrderPooling(),
    baseline: (weight) => plainChannelPooling(weight),
    onnx: (g) => globalSecondOrderPoolingGraph(g),
    slot: 'branch',
    hostLayer: () => globalSecondOrderPooling({ width: 16, reductionStride: 1 }),
  },
  {
    block: 'PositionSecondOrderPooling',
    layer: () => positionSecondOrderPooling(),
    baseline: plainPositionPooling,
    slot: 'branch',
    hostLayer: () => positionSecondOrderPooling({ width: 16 }),
  },
  {
    block: 'GlobalSecondOrderBottleneck',
    layer: () => globalSecondOrderBottleneck(),
    baseline: (weight) => {
      const [reduce, conv, expand] = ['reduce', 'conv', 'expand'].map((name) => plainConvNorm(weight, name));
      const pooled = plainChannelPooling(weight, 'channel/');
      return (x) => relu(add(pooled(expand(relu(conv(relu(reduce(x)))))), x));
    },
    onnx: globalSecondOrderBottleneckGraph,
    slot: 'stage',
    hostLayer: () => globalSecondOrderBottleneck({ width: 16, reductionStride: 1 }),
  },
];

export default entries;
