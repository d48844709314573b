import { bam } from '@saccade/bam';
import type { BenchEntry } from '@saccade/bench/entry';
import { plainBatchNorm, plainConv, plainDense } from '@saccade/bench/plain';
import { add, mean, mul, relu, reshape, sigmoid } from '@tensorflow/tfjs-core';
import { bamGraph } from './onnx.ts';

const entries: BenchEntry[] = [
  {
    block: 'BAM',
    layer: () => bam(),
    baseline: (weight) => {
      const [fc0, fcNorm, fcFinal] = [plainDense(weight, 'channel0'), plainBatchNorm(weight, 'channelNorm0'), plainDense(weight, 'toChannels')];
      const [reduce, reduceNorm] = [plainConv(weight, 'reduce'), plainBatchNorm(weight, 'reduceNorm')];
      const dilated = [0, 1].map((i) => ({
        conv: plainConv(weight, `dilated${i}`, { dilation: 4 }),
        norm: plainBatchNorm(weight, `dilatedNorm${i}`),
      }));
      const final = plainConv(weight, 'toMap');
      return (x) => {
        const channel = fcFinal(relu(fcNorm(fc0(mean(x, [1, 2])))));
        let hidden = relu(reduceNorm(reduce(x)));
        for (const { conv, norm } of dilated) hidden = relu(norm(conv(hidden)));
        const spatial = final(hidden);
        const gate = sigmoid(mul(reshape(channel, [x.shape[0], 1, 1, x.shape[3]]), spatial));
        return mul(x, add(1, gate));
      };
    },
    onnx: bamGraph,
    slot: 'stage',
    hostLayer: () => bam({ reduction: 4 }),
  },
];

export default entries;
