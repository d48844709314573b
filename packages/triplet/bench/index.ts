import type { BenchEntry } from '@saccade/bench/entry';
import { plainConvNorm } from '@saccade/bench/plain';
import { tripletAttention } from '@saccade/triplet';
import { add, concat, max, mean, mul, sigmoid, transpose, type Tensor4D } from '@tensorflow/tfjs-core';
import { tripletAttentionGraph } from './onnx.ts';

const entries: BenchEntry[] = [
  {
    block: 'TripletAttention',
    layer: () => tripletAttention(),
    baseline: (weight) => {
      const attentionGate = (branch: string) => {
        const convNorm = plainConvNorm(weight, branch);
        return (x: Tensor4D) => {
          const pooled = concat([max<Tensor4D>(x, 3, true), mean<Tensor4D>(x, 3, true)], 3);
          return mul<Tensor4D>(x, sigmoid(convNorm(pooled)));
        };
      };
      const [cw, hc, hw] = ['width', 'height', 'spatial'].map(attentionGate);
      return (x) => {
        // [N, C, W, H], whose channels are the rows, and [N, H, C, W], whose channels are the columns.
        const ofColumns = transpose(cw(transpose(x, [0, 3, 2, 1])), [0, 3, 2, 1]);
        const ofRows = transpose(hc(transpose(x, [0, 1, 3, 2])), [0, 1, 3, 2]);
        return mul(1 / 3, add(add(hw(x), ofColumns), ofRows));
      };
    },
    onnx: tripletAttentionGraph,
    slot: 'branch',
  },
];

export default entries;
