import type { BenchEntry } from '@saccade/bench/entry';
import { plainDense } from '@saccade/bench/plain';
import { channelGating } from '@saccade/channel-gate';
import { addN, conv1d, div, mean, moments, mul, relu, reshape, sigmoid, sqrt, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';
import { channelGatingGraph, channelGatingMultiScaleGraph } from './onnx.ts';

function gated(x: Tensor, gate: Tensor): Tensor {
  return mul(x, reshape(gate, [x.shape[0], 1, 1, x.shape[3]!]));
}

const entries: BenchEntry[] = [
  {
    block: 'ChannelGating',
    layer: () => channelGating(),
    baseline: (weight) => {
      const [reduce, expand] = [plainDense(weight, 'excitation/reduce'), plainDense(weight, 'excitation/expand')];
      return (x) => gated(x, sigmoid(expand(relu(reduce(mean(x, [1, 2]))))));
    },
    onnx: channelGatingGraph,
    slot: 'branch',
    hostLayer: () => channelGating({ reduction: 4 }),
  },
  {
    block: 'ChannelGatingMultiScale',
    layer: () => channelGating({ squeeze: 'std', excitation: 'multiScale' }),
    baseline: (weight) => {
      const kernels = [3, 5, 7].map((size) => weight<Tensor3D>(`excitation/conv${size}/kernel`));
      return (x) => {
        const deviation = sqrt(moments(x, [1, 2]).variance);
        const s: Tensor3D = reshape(deviation, [x.shape[0], x.shape[3], 1]);
        const gates = kernels.map((kernel) => sigmoid(conv1d(s, kernel, 1, 'same')));
        return gated(x, div(addN(gates), gates.length));
      };
    },
    onnx: channelGatingMultiScaleGraph,
    slot: 'branch',
  },
];

export default entries;
