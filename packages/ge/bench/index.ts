import type { BenchEntry, WeightReader } from '@saccade/bench/entry';
import { gatherExcite } from '@saccade/ge';
import {
  add,
  batchNorm,
  conv2d,
  depthwiseConv2d,
  image,
  mean,
  mul,
  relu,
  reshape,
  sigmoid,
  type Rank,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

function normOf(weight: WeightReader, name: string) {
  const [gamma, beta] = [weight<Tensor1D>(`${name}/gamma`), weight<Tensor1D>(`${name}/beta`)];
  const [movingMean, movingVariance] = [weight<Tensor1D>(`${name}/movingMean`), weight<Tensor1D>(`${name}/movingVariance`)];
  return (x: Tensor4D) => batchNorm(x, movingMean, movingVariance, beta, gamma, 1e-5);
}

function pointwiseOf(weight: WeightReader, name: string) {
  const [kernel, bias] = [weight<Tensor2D>(`${name}/kernel`), weight(`${name}/bias`)];
  const filter = reshape<Rank.R4>(kernel, [1, 1, ...kernel.shape]);
  return (x: Tensor4D) => add<Tensor4D>(conv2d(x, filter, 1, 'valid'), bias);
}

const entries: BenchEntry[] = [
  {
    block: 'GatherExcite',
    layer: () => gatherExcite(),
    baseline: () => (x) => mul(x, sigmoid(mean(x, [1, 2], true))),
    slot: 'branch',
  },
  {
    block: 'GatherExciteTheta',
    layer: () => gatherExcite({ variant: 'theta' }),
    baseline: (weight) => {
      const [kernel, norm] = [weight<Tensor4D>('gather/conv1/kernel'), normOf(weight, 'gather/norm1')];
      return (x) => mul(x, sigmoid(norm(depthwiseConv2d(x, kernel, 1, 'valid'))));
    },
    slot: 'branch',
  },
  {
    block: 'GatherExciteLocal',
    layer: () => gatherExcite({ variant: 'thetaPlus', extent: 4 }),
    baseline: (weight) => {
      const [kernel1, norm1] = [weight<Tensor4D>('gather/conv1/kernel'), normOf(weight, 'gather/norm1')];
      const [kernel2, norm2] = [weight<Tensor4D>('gather/conv2/kernel'), normOf(weight, 'gather/norm2')];
      const [reduce, expand] = [pointwiseOf(weight, 'excite/reduce'), pointwiseOf(weight, 'excite/expand')];
      return (x) => {
        const halved = relu(norm1(depthwiseConv2d(x, kernel1, 2, 1)));
        const gathered = norm2(depthwiseConv2d(halved, kernel2, 2, 1));
        const context = expand(relu(reduce(gathered)));
        return mul(x, sigmoid(image.resizeNearestNeighbor(context, [x.shape[1], x.shape[2]])));
      };
    },
    slot: 'branch',
    hostLayer: () => gatherExcite({ variant: 'thetaPlus', extent: 4, reduction: 4 }),
  },
];

export default entries;
