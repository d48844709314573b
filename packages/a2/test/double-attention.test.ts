import { doubleAttention, type DoubleAttention, type DoubleAttentionOptions } from '@saccade/a2';
import { fromTorch } from '@saccade/a2/torch';
import { casesOn, equalsPlain, onEachBackend, testBlock, testGoldens, testReadme, type PlainResult } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('many positions', () => {
  testBlock({
    package: '@saccade/a2',
    create: doubleAttention,
    input: [2, 5, 7, 6],
    options: { valueChannels: 4, descriptors: 3, reconstruct: true, residual: true },
    inert: ['gather/bias'],
    costs: [
      [{ reconstruct: true }, [1, 28, 28, 512], 525_568, 513_802_240],
      [{ reconstruct: true, reduction: 4 }, [1, 28, 28, 512], 263_040, 231_211_008],
      [{ reconstruct: true, reduction: 8 }, [1, 28, 28, 512], 131_776, 109_182_976],
      [{ reconstruct: true, residual: true }, [1, 14, 14, 1024], 2_099_712, 513_802_240],
      [{ reconstruct: true, reduction: 4 }, [1, 14, 14, 1024], 1_050_368, 231_211_008],
      [{ reconstruct: true, reduction: 8 }, [1, 14, 14, 1024], 525_696, 109_182_976],
      [{ valueChannels: 5, descriptors: 3 }, [2, 4, 5, 6], 6 * 11 + 11, 40 * (6 * 11 + 2 * 3 * 5)],
    ],
    refused: [
      [
        { descriptors: 0 },
        'DoubleAttention: option "descriptors" is 0, but must be a whole number ≥ 1, or null. Leave it out for the default, null.',
      ],
      [
        { descriptor: 3 },
        'DoubleAttention: unknown option "descriptor" (received 3). Did you mean "descriptors"? ' +
          'The options are reduction, valueChannels, descriptors, reconstruct, residual.',
      ],
      [
        { residual: true },
        'DoubleAttention: the input has shape [2, 5, 7, 6], and option "residual" adds its 6 channels to 3 of the values. ' +
          'Set option "reconstruct" to true, or "valueChannels" to 6.',
      ],
    ],
    refusedInputs: [
      [
        [null, 6],
        'DoubleAttention: the input has shape [null, 6], of rank 2, but must be [N, length, channels], [N, height, width, channels] or [N, time, height, width, channels]. ' +
          'Add or remove axes with tf.reshape.',
      ],
    ],
  });
});

describe('few positions', () => {
  testBlock({
    package: '@saccade/a2',
    create: doubleAttention,
    input: [3, 4, 9],
    options: { valueChannels: 8, descriptors: 7 },
    inert: ['gather/bias'],
    costs: [],
    refused: [],
    refusedInputs: [],
  });
});

testGoldens(path.join(folder, 'test/golden'), { a2: fromTorch });

testReadme(folder);

/** As nguyenvo09's code reads, with the paper's residual. */
function plain(layer: DoubleAttention, x: tf.Tensor): PlainResult {
  const weight = (path: string) => layer.weights.find(({ originalName }) => originalName.endsWith(`/${path}`))!.read();
  const images = x.shape[0];
  // [N, P, units] → [N, units, P]
  const conv = (name: string, x: tf.Tensor) => {
    const y = tf.add(tf.matMul(tf.reshape(x, [-1, x.shape.at(-1)!]), weight(`${name}/kernel`) as tf.Tensor2D), weight(`${name}/bias`));
    return tf.transpose(tf.reshape<tf.Rank.R3>(y, [images, -1, y.shape[1]!]), [0, 2, 1]);
  };
  const b = tf.softmax(conv('gather', x));
  const descriptors = tf.matMul(conv('value', x), b, false, true); // [N, c_m, c_n]
  const v = tf.transpose(tf.softmax(tf.transpose(conv('distribute', x), [0, 2, 1])), [0, 2, 1]);
  let z = tf.matMul(descriptors, v); // [N, c_m, P]
  if (layer.options.reconstruct) z = conv('reconstruct', tf.transpose(z, [0, 2, 1]));
  const y = tf.reshape(tf.transpose(z, [0, 2, 1]), [...x.shape.slice(0, -1), -1]);
  const maps = [images, -1, ...x.shape.slice(1, -1)];
  return { y: layer.options.residual ? tf.add(x, y) : y, gather: tf.reshape(b, maps), distribute: tf.reshape(v, maps) };
}

onEachBackend((backend) => {
  // The products' order depends on which takes less work: each of these takes another.
  test.each<[DoubleAttentionOptions, number[]]>(
    casesOn(backend, [
      [{ reconstruct: true, residual: true }, [2, 5, 3, 6]],
      [{ valueChannels: 2, descriptors: 5, reconstruct: true }, [1, 2, 3, 4]],
      [{ valueChannels: 4, descriptors: 3, residual: true }, [3, 2, 2, 3, 4]],
      [{ reconstruct: true, residual: true }, [3, 1, 2, 10]],
      [{ reduction: 3, valueChannels: 20, reconstruct: true }, [1, 3, 24]],
      [{ reduction: 24 }, [2, 7, 5]],
    ]),
  )('equals its definition: %j on %j', async (options, shape) => {
    await equalsPlain(doubleAttention(options), shape, plain);
  });
});

test('refuses arguments that the PyTorch module does not have, and weights that do not fit them', () => {
  const config = { in_channels: 6, c_m: 4, c_n: 3 };
  expect(() => fromTorch({ config: { ...config, reconstrukt: true } as never, state: {} })).toThrow(
    'DoubleAttentionLayer: unknown argument "reconstrukt" (received true). Did you mean "reconstruct"? The arguments are in_channels, c_m, c_n, reconstruct.',
  );
  expect(() => fromTorch({ config: { in_channels: 6, c_m: 4 } as never, state: {} })).toThrow('DoubleAttentionLayer: missing argument "c_n".');
  expect(() => fromTorch({ config, state: { 'conv_reconstruct.weight': { shape: [6, 4, 1, 1], data: new Float32Array(24) } } })).toThrow(
    '"conv_reconstruct.weight" [6, 4, 1, 1] is left over',
  );
});
