import { BAM, bam, type BAMOptions } from '@saccade/bam';
import { fromTorch } from '@saccade/bam/torch';
import { readSafetensors, type StateDict } from '@saccade/core/torch';
import {
  casesOn,
  equalsPlain,
  onEachBackend,
  random,
  randomiseStatistics,
  randomiseWeights,
  testBlock,
  testGoldens,
  testReadme,
} from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

testBlock({
  package: '@saccade/bam',
  create: bam,
  input: [3, 6, 5, 8],
  options: { reduction: 2, hiddenLayers: 2, dilatedConvs: 2, dilation: 2, combine: 'sum' },
  // A batch norm takes its mean away, and with it the bias before.
  inert: ['channel0/bias', 'channel1/bias', 'reduce/bias', 'dilated0/bias', 'dilated1/bias'],
  costs: [
    [{}, [1, 56, 56, 256], 17_361, 8192 + 3136 * (4096 + 2 * 2304 + 16)],
    [{ combine: 'sum', dilation: 1 }, [1, 28, 28, 512], 68_513, 2 * 16_384 + 784 * (16_384 + 2 * 9216 + 32)],
    [{ hiddenLayers: 2, dilatedConvs: 0, reduction: 4 }, [3, 5, 7, 16], 68 + 20 + 80 + 3 * 8 + 68 + 5, 3 * (144 + 35 * (64 + 4))],
    [{ hiddenLayers: 0, dilatedConvs: 1, reduction: 8 }, [1, 3, 2, 16], 272 + 34 + 38 + 2 * 4 + 3, 256 + 6 * (32 + 36 + 2)],
  ],
  refused: [
    [{ reduction: 0 }, 'BAM: option "reduction" is 0, but must be a number > 0. Leave it out for the default, 16.'],
    [{ reduction: 16 }, 'BAM: reduction 16 leaves no channel of 8. Give a reduction of at most 8, or set the width another way.'],
    [{ dilation: 0 }, 'BAM: option "dilation" is 0, but must be a whole number ≥ 1. Leave it out for the default, 4.'],
    [{ dilatedConvs: -1 }, 'BAM: option "dilatedConvs" is -1, but must be a whole number ≥ 0. Leave it out for the default, 2.'],
    [{ combine: 'mul' }, 'BAM: option "combine" is "mul", but must be "multiply" or "sum". Leave it out for the default, "multiply".'],
    [
      { hiddenLayer: 2 },
      'BAM: unknown option "hiddenLayer" (received 2). Did you mean "hiddenLayers"? The options are reduction, hiddenLayers, dilatedConvs, dilation, combine.',
    ],
  ],
  refusedInputs: [
    [[null, 7, 8], 'BAM: the input has shape [null, 7, 8], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.'],
  ],
});

testGoldens(path.join(folder, 'test/golden'), { bam: fromTorch });

testReadme(folder);

onEachBackend((backend) => {
  test.each<[shape: number[], options: BAMOptions]>(
    casesOn(backend, [
      [[1, 9, 4, 19], { reduction: 4 }],
      [[3, 2, 11, 8], { reduction: 2, hiddenLayers: 3, dilatedConvs: 3, dilation: 3, combine: 'sum' }],
      [[1, 1, 1, 8], { reduction: 8, hiddenLayers: 0, dilatedConvs: 0 }],
    ]),
  )('equals plain ops on %j with %j', async (shape, options) => {
    await equalsPlain(bam(options), shape, plain);
  });

  // Of which PyTorch says: Expected more than 1 value per channel when training.
  test('trains on one image, on which the channel branch takes the moving statistics', async () => {
    const layer = bam({ reduction: 2 });
    const x = random([1, 5, 6, 8]);
    layer.build(x.shape);
    randomiseWeights(layer);
    randomiseStatistics(layer);
    const statistics = async () => [...(await weightOf(layer, 'channelNorm0/movingVariance').data())];
    const before = await statistics();
    const kernel = weightOf(layer, 'channel0/kernel') as tf.Variable;
    const loss = () => tf.mean<tf.Scalar>(tf.square(layer.apply(x, { training: true }) as tf.Tensor));
    const { value, grads } = tf.variableGrads(loss);
    const slopes = await grads[kernel.name].data();
    expect(Number.isFinite((await value.data())[0]) && slopes.every(Number.isFinite)).toBe(true);
    expect(slopes.some((slope) => slope !== 0)).toBe(true);
    expect(await statistics()).toEqual(before);
  });
});

test('adds to a ResNet-50 the parameters of the official network', () => {
  const stages = [256, 512, 1024].map((channels) => bam().cost([1, 14, 14, channels]).params);
  expect(stages.reduce((a, b) => a + b)).toBe(25_915_099 - 25_557_032);
});

describe('from PyTorch', () => {
  const { tensors } = readSafetensors(readFileSync(path.join(folder, 'test/golden/bam-basic.safetensors')));
  const state: StateDict = Object.fromEntries(
    Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice('state.'.length), value]] : [])),
  );

  test('hidden layers beyond the first, and any number of dilated convolutions', () => {
    const value = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)) });
    const kept = Object.entries(state).filter(([key]) => !/_di_1\./.test(key));
    const more = { weight: value(2), bias: value(2), running_mean: value(2), running_var: value(2) };
    const deeper: StateDict = {
      ...Object.fromEntries(kept),
      'channel_att.gate_c.gate_c_fc_1.weight': value(2, 2),
      'channel_att.gate_c.gate_c_fc_1.bias': value(2),
      ...Object.fromEntries(Object.entries(more).map(([key, tensor]) => [`channel_att.gate_c.gate_c_bn_2.${key}`, tensor])),
    };
    const layer = fromTorch({ config: { gate_channel: 32, num_layers: 2, dilation_conv_num: 1, dilation_val: 2 }, state: deeper });
    expect(layer.options).toEqual({ reduction: 16, hiddenLayers: 2, dilatedConvs: 1, dilation: 2, combine: 'multiply' });
  });

  test.each<[object, string | RegExp]>([
    [{ hidden: 4 }, 'BAM: hidden is 4, but gate_channel 32 and reduction_ratio 16 make 2. Leave it out, or correct reduction_ratio.'],
    [{ num_layers: 2 }, /"channel_att.gate_c.gate_c_fc_1.weight" \[2, 2\] is missing.*"channel_att.gate_c.gate_c_bn_2.weight" \[2\] is missing/],
    [{ dilation_conv_num: 1 }, /"spatial_att.gate_s.gate_s_conv_di_1.weight" \[2, 2, 3, 3\] is left over/],
    [{ combine: 'add' }, /option "combine" is "add"/],
    [{ dilation_value: 2 }, /^BAM: unknown argument "dilation_value" .* Did you mean "dilation_val"\?/],
  ])('refuses %j, which does not fit', (wrong, message) => {
    expect(() => fromTorch({ config: { gate_channel: 32, ...wrong }, state })).toThrow(message);
  });
});

function weightOf(layer: BAM, name: string): tf.Tensor {
  return layer.weights.find(({ originalName }) => originalName.endsWith(`/${name}`))!.read();
}

/** BAM at inference, as its PyTorch code reads, with the mean of the whole map. */
function plain(layer: BAM, x: tf.Tensor4D) {
  const { hiddenLayers, dilatedConvs, dilation, combine } = layer.options;
  const weight = (name: string) => weightOf(layer, name);
  const linear = <T extends tf.Tensor>(x: T, name: string) => {
    const rows = tf.matMul(tf.reshape(x, [-1, x.shape.at(-1)!]), weight(`${name}/kernel`));
    return tf.reshape(tf.add(rows, weight(`${name}/bias`)), [...x.shape.slice(0, -1), rows.shape[1]!]) as T;
  };
  const normRelu = <T extends tf.Tensor>(x: T, name: string) => {
    const normal = tf.div(tf.sub(x, weight(`${name}/movingMean`)), tf.sqrt(tf.add(weight(`${name}/movingVariance`), 1e-5)));
    return tf.relu<T>(tf.add(tf.mul(normal, weight(`${name}/gamma`)), weight(`${name}/beta`)));
  };
  let c = tf.mean<tf.Tensor2D>(x, [1, 2]);
  for (let i = 0; i < hiddenLayers; i++) c = normRelu(linear(c, `channel${i}`), `channelNorm${i}`);
  const channel = linear(c, 'toChannels');
  let s = normRelu(linear(x, 'reduce'), 'reduceNorm');
  for (let i = 0; i < dilatedConvs; i++) {
    const conv = tf.conv2d(s, weight(`dilated${i}/kernel`) as tf.Tensor4D, 1, dilation, 'NHWC', dilation);
    s = normRelu(tf.add(conv, weight(`dilated${i}/bias`)), `dilatedNorm${i}`);
  }
  const spatial = linear(s, 'toMap');
  const wide = tf.reshape(channel, [x.shape[0], 1, 1, x.shape[3]]);
  const gate = tf.sigmoid(combine === 'sum' ? tf.add(wide, spatial) : tf.mul(wide, spatial));
  return { y: tf.mul(x, tf.add(1, gate)), channel, spatial: tf.squeeze(spatial, [3]), gate };
}
