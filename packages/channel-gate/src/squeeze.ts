import {
  attentionPool,
  globalAvgPool,
  globalLogSumExpPool,
  globalLpPool,
  globalMaxPool,
  globalStdPool,
  matMul,
  positionsOf,
  positionWeightedPool,
  transposeLast,
  type Shape,
  type WeightScope,
} from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { add, mul, relu, reshape, softmax, sub, sum, zeros, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';

/** One way to make one value of all positions of a channel, with its weights. */
export interface SqueezePart {
  /** `[N, H, W, C]` to `[N, C]` */
  (x: Tensor): Tensor2D;
  /** Multiply-adds over so many positions of one image. */
  macs(positions: number): number;
  /** What it attends to, by name. */
  maps?(x: Tensor): Record<string, Tensor>;
}

/** What the squeezes take from the layer's options. */
export interface SqueezeOptions {
  readonly p: number;
  readonly clusters: number;
}

type Define = (weights: WeightScope, inputShape: Shape, options: SqueezeOptions) => SqueezePart;

/** Those with a weight for each position, which can take maps of one size alone. */
export const FIXED_SIZE = ['depthwise', 'linear'] as const;

/** The squeezes by name: each declares its weights for maps of a shape. */
export const SQUEEZES = {
  avg: () => unlearned(globalAvgPool), // SE
  max: () => unlearned(globalMaxPool), // CBAM, beside the mean
  std: () => unlearned(globalStdPool), // SRM, beside the mean
  lp: (_weights, _inputShape, { p }) => unlearned((x) => globalLpPool(x, p)),
  logSumExp: () => unlearned(globalLogSumExpPool), // CBAM's code
  depthwise, // GE's global θ
  linear,
  cluster, // EncNet
  attention, // GC
} satisfies Record<string, Define>;

function unlearned(pool: (x: Tensor) => Tensor2D): SqueezePart {
  return Object.assign((x: Tensor) => pool(x), { macs: () => 0 });
}

/** s_c = Σ_j w_jc·x_jc: a depthwise convolution as large as the map, which starts as the mean. */
function depthwise(weights: WeightScope, inputShape: Shape): SqueezePart {
  const [height, width, channels] = inputShape.slice(1) as number[];
  const kernel = weights.add('kernel', [height, width, channels, 1], constant(1 / (height * width)), { layout: 'depthwise' });
  return Object.assign((x: Tensor) => positionWeightedPool(x, reshape(kernel.read(), [height, width, channels])), {
    macs: (positions: number) => positions * channels,
  });
}

/** s_c = Σ_j w_j·x_jc: a linear map from all positions to one, the same for each channel, which starts as the mean. */
function linear(weights: WeightScope, inputShape: Shape): SqueezePart {
  const [height, width, channels] = inputShape.slice(1) as number[];
  const positions = height * width;
  const kernel = weights.add('kernel', [positions, 1], constant(1 / positions), { layout: 'dense' });
  const everyImage = (x: Tensor): Tensor2D => add(zeros([x.shape[0], positions]), reshape(kernel.read(), [1, positions]));
  return Object.assign((x: Tensor) => attentionPool(x, everyImage(x)), { macs: () => positions * channels });
}

/**
 * s = Σ_k relu(mean_j a_jk·(x_j − c_k)): each position belongs to K learned clusters to the degrees a_j = softmax(W·x_j + b), and the positions'
 * distances from the cluster centres make K descriptors. The assignment and the residuals are those of NetVLAD (Arandjelović et al. 2016, equations 3
 * and 4), the sum of the rectified descriptors is EncNet's (Zhang et al. 2018). Both sum over positions and then normalise; a mean needs neither
 * NetVLAD's norms nor EncNet's batch norm to give the same on a map of another size.
 */
function cluster(weights: WeightScope, inputShape: Shape, { clusters }: SqueezeOptions): SqueezePart {
  const channels = inputShape.at(-1)!;
  const assign = parts.dense(weights.at('assign'), channels, clusters);
  const centres = weights.add('centres', [channels, clusters], parts.pytorchUniform(clusters * channels), { layout: 'dense' }); // as EncNet's
  const assignment = (x: Tensor): Tensor3D => softmax(reshape(assign(x), [x.shape[0], positionsOf(x), clusters]));
  const apply = (x: Tensor): Tensor2D => {
    const positions = positionsOf(x);
    const a = assignment(x); // [N, P, K]
    const rows: Tensor3D = reshape(x, [x.shape[0], positions, channels]);
    const sums = matMul(transposeLast(rows), a); // [N, C, K]
    const shares = reshape(globalAvgPool(a), [x.shape[0], 1, clusters]);
    const descriptors = sub(mul(sums, 1 / positions), mul(shares, centres.read())); // [N, C, K]
    return sum(relu(descriptors), 2);
  };
  return Object.assign(apply, {
    // The assignment, and the sums.
    macs: (positions: number) => 2 * positions * channels * clusters,
    maps: (x: Tensor) => ({ clusters: reshape(assignment(x), [...x.shape.slice(0, -1), clusters]) }),
  });
}

/** s = Σ_j softmax(w·x + b)_j·x_j: one attention map, the same for each channel. */
function attention(weights: WeightScope, inputShape: Shape): SqueezePart {
  const channels = inputShape.at(-1)!;
  // As GC starts it.
  const start = { kernelInitializer: parts.heNormal(channels), biasInitializer: initializers.zeros() };
  const pool = parts.attentionPool(weights, channels, start);
  return Object.assign((x: Tensor) => pool(x), {
    macs: (positions: number) => pool.macs(positions),
    maps: (x: Tensor) => ({ spatial: pool.map(x) }),
  });
}

function constant(value: number): parts.Initializer {
  return initializers.constant({ value });
}
