import { squeezeExcite } from '@saccade/se';
import { fromTorch } from '@saccade/se/torch';
import { testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as path from 'node:path';
import { expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

testBlock({
  package: '@saccade/se',
  create: squeezeExcite,
  input: [2, 5, 7, 12],
  options: { reduction: 3, divisor: 2, activation: 'silu', gate: 'hardSigmoid' },
  costs: [
    [{}, [1, 56, 56, 256], 8464, 8192],
    [{ useBias: false }, [1, 14, 14, 1024], 131_072, 131_072],
    [{ reduction: 16, divisor: 8 }, [3, 8, 8, 64], 1096, 3072],
  ],
  refused: [
    [{ reduction: 0 }, 'SqueezeExcite: option "reduction" is 0, but must be a number > 0. Leave it out for the default, 16.'],
    [{ reduction: 24 }, 'SqueezeExcite: reduction 24 leaves no channel of 12. Give a reduction of at most 12, or set the width another way.'],
    [{ width: 2.5 }, 'SqueezeExcite: option "width" is 2.5, but must be a whole number ≥ 1, or null. Leave it out for the default, null.'],
    [
      { gate: 'hard_sigmoid' },
      'SqueezeExcite: option "gate" is "hard_sigmoid", but must be "sigmoid" or "hardSigmoid". Leave it out for the default, "sigmoid".',
    ],
    [
      { reducton: 4 },
      'SqueezeExcite: unknown option "reducton" (received 4). Did you mean "reduction"? The options are reduction, width, divisor, minChannels, useBias, activation, gate.',
    ],
  ],
  refusedInputs: [
    [
      [null, 7, 12],
      'SqueezeExcite: the input has shape [null, 7, 12], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
    ],
  ],
});

testGoldens(path.join(folder, 'test/golden'), { se: fromTorch });

testReadme(folder);

test('rounds the width of its bottleneck as timm does', () => {
  const width = (channels: number, options: object) => squeezeExcite(options).cost([1, 1, 1, channels]).macs / (2 * channels);
  expect(width(256, { reduction: 16 })).toBe(16);
  expect(width(100, { reduction: 16 })).toBe(6);
  expect(width(100, { reduction: 4, divisor: 8 })).toBe(24);
  expect(width(16, { reduction: 16, divisor: 8 })).toBe(8);
  expect(width(16, { reduction: 16, minChannels: 3 })).toBe(3);
  expect(width(16, { width: 5 })).toBe(5);
});

test('refuses a state dict that does not fit, naming every tensor', () => {
  const zeros = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
  const state = { 'fc1.weight': zeros(4, 16, 1, 1), 'fc2.weight': zeros(16, 2), 'fc3.weight': zeros(1) };
  expect(() => fromTorch({ config: { channels: 16, rd_channels: 4, bias: true }, state })).toThrow(
    'SaccadeSqueezeExcite: the state dict does not fit: "fc1.bias" [4] is missing; "fc2.weight" has shape [16, 2], but must be [16, 4]; "fc2.bias" [16] is missing; ' +
      '"fc3.weight" [1] is left over. Check that it is of this module alone and that the arguments are those it was made with.',
  );
  expect(() => fromTorch({ config: { channels: 16, rd_chanels: 4 } as never, state })).toThrow(
    'SEModule: unknown argument "rd_chanels" (received 4). Did you mean "rd_channels"? The arguments are channels, rd_ratio, rd_channels, rd_divisor, bias, act, gate, reduction.',
  );
});
