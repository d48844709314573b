import type { BenchEntry } from '@saccade/bench/entry';
import { efficientChannelAttention } from '@saccade/eca';
import { conv1d, expandDims, mean, mul, reshape, sigmoid, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import { efficientChannelAttentionGraph } from './onnx.ts';

const entries: BenchEntry[] = [
  {
    block: 'EfficientChannelAttention',
    layer: () => efficientChannelAttention(),
    baseline: (weight) => {
      const kernel = weight<Tensor3D>('conv/kernel');
      return (x) => {
        const [images, , , channels] = x.shape;
        const s = mean<Tensor2D>(x, [1, 2]);
        const y = conv1d(expandDims<Tensor3D>(s, 2), kernel, 1, 'same');
        return mul(x, reshape(sigmoid(y), [images, 1, 1, channels]));
      };
    },
    onnx: efficientChannelAttentionGraph,
    slot: 'branch',
  },
];

export default entries;
