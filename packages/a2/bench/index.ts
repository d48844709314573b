import type { BenchEntry } from '@saccade/bench/entry';
import { plainConv } from '@saccade/bench/plain';
import { doubleAttention } from '@saccade/a2';
import { add, matMul, reshape, softmax, transpose, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { doubleAttentionGraph } from './onnx.ts';

const entries: BenchEntry[] = [
  {
    block: 'DoubleAttention',
    // The paper's block.
    layer: () => doubleAttention({ reconstruct: true, residual: true }),
    baseline: (weight) => {
      const [convA, convB, convV, reconstruct] = ['value', 'gather', 'distribute', 'reconstruct'].map((name) => plainConv(weight, name));
      return (x) => {
        const [batch, height, width] = x.shape;
        const rows = (x: Tensor4D): Tensor3D => reshape(x, [batch, height * width, -1]);
        const maps = softmax(transpose(rows(convB(x)), [0, 2, 1])); // [N, c_n, H·W]
        const descriptors = matMul(maps, rows(convA(x))); // [N, c_n, c_m]
        const vectors = softmax(rows(convV(x))); // [N, H·W, c_n]
        const z = reshape(matMul(vectors, descriptors), [batch, height, width, -1]);
        return add(x, reconstruct(z as Tensor4D));
      };
    },
    onnx: doubleAttentionGraph,
    slot: 'stage',
  },
];

export default entries;
