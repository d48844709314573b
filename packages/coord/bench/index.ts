import type { BenchEntry } from '@saccade/bench/entry';
import { plainBatchNorm, plainConv } from '@saccade/bench/plain';
import { coordinateAttention } from '@saccade/coord';
import { add, concat, mean, mul, relu6, sigmoid, split, transpose, type Tensor4D } from '@tensorflow/tfjs-core';
import { coordinateAttentionGraph } from './onnx.ts';

const entries: BenchEntry[] = [
  {
    block: 'CoordinateAttention',
    layer: () => coordinateAttention(),
    baseline: (weight) => {
      const [conv1, convH, convW] = ['reduce', 'expandHeight', 'expandWidth'].map((name) => plainConv(weight, name));
      const norm = plainBatchNorm(weight, 'norm');
      const hSwish = (x: Tensor4D) => mul<Tensor4D>(x, mul(relu6(add(x, 3)), 1 / 6));
      return (x) => {
        const [, height, width] = x.shape;
        const rows = mean<Tensor4D>(x, 2, true);
        const columns = transpose(mean<Tensor4D>(x, 1, true), [0, 2, 1, 3]);
        const y = hSwish(norm(conv1(concat([rows, columns], 1))));
        const [ofRows, ofColumns] = split<Tensor4D>(y, [height, width], 1);
        const gateH = sigmoid(convH(ofRows));
        const gateW = sigmoid(convW(transpose(ofColumns, [0, 2, 1, 3])));
        return mul(mul(x, gateW), gateH);
      };
    },
    onnx: coordinateAttentionGraph,
    slot: 'inner',
  },
];

export default entries;
