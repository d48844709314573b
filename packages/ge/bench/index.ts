import type { BenchEntry } from '@saccade/bench/entry';
import { plainBatchNorm, plainConv } from '@saccade/bench/plain';
import { gatherExcite } from '@saccade/ge';
import { depthwiseConv2d, image, mean, mul, relu, sigmoid, type Tensor4D } from '@tensorflow/tfjs-core';
import { gatherExciteGraph, gatherExciteLocalGraph, gatherExciteThetaGraph } from './onnx.ts';

const entries: BenchEntry[] = [
  {
    block: 'GatherExcite',
    layer: () => gatherExcite(),
    baseline: () => (x) => mul(x, sigmoid(mean(x, [1, 2], true))),
    onnx: gatherExciteGraph,
    slot: 'branch',
  },
  {
    block: 'GatherExciteTheta',
    layer: () => gatherExcite({ variant: 'theta' }),
    baseline: (weight) => {
      const [kernel, norm] = [weight<Tensor4D>('gather/conv1/kernel'), plainBatchNorm(weight, 'gather/norm1')];
      return (x) => mul(x, sigmoid(norm(depthwiseConv2d(x, kernel, 1, 'valid'))));
    },
    onnx: gatherExciteThetaGraph,
    slot: 'branch',
  },
  {
    block: 'GatherExciteLocal',
    layer: () => gatherExcite({ variant: 'thetaPlus', extent: 4 }),
    baseline: (weight) => {
      const [kernel1, norm1] = [weight<Tensor4D>('gather/conv1/kernel'), plainBatchNorm(weight, 'gather/norm1')];
      const [kernel2, norm2] = [weight<Tensor4D>('gather/conv2/kernel'), plainBatchNorm(weight, 'gather/norm2')];
      const [reduce, expand] = [plainConv(weight, 'excite/reduce'), plainConv(weight, 'excite/expand')];
      return (x) => {
        const halved = relu(norm1(depthwiseConv2d(x, kernel1, 2, 1)));
        const gathered = norm2(depthwiseConv2d(halved, kernel2, 2, 1));
        const context = expand(relu(reduce(gathered)));
        return mul(x, sigmoid(image.resizeNearestNeighbor(context, [x.shape[1], x.shape[2]])));
      };
    },
    onnx: gatherExciteLocalGraph,
    slot: 'branch',
    hostLayer: () => gatherExcite({ variant: 'thetaPlus', extent: 4, reduction: 4 }),
  },
];

export default entries;
