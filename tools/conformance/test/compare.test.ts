import { useBackend } from '@saccade/backends';
import { compareWithGolden, type Golden } from '@saccade/conformance';
import { differentiable } from '@saccade/core';
import type { StateDict } from '@saccade/core/torch';
import * as tf from '@tensorflow/tfjs-core';
import { initializers, layers } from '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';

/** x·w·u for a buffer u that a forward first sets to w, which the gradient follows or does not. */
class Follower extends layers.Layer {
  static readonly className = 'Follower';

  readonly follows: 'with gradient' | 'as a constant' | 'not at all';

  constructor(follows: Follower['follows'], values: StateDict) {
    super({});
    this.follows = follows;
    for (const [name, { data }] of Object.entries(values)) {
      this.addWeight(name, [1], 'float32', initializers.constant({ value: data[0] }), undefined, name === 'a.w');
    }
    this.built = true;
  }

  override call(x: tf.Tensor): tf.Tensor {
    const [w, u] = this.weights.map((weight) => weight.read());
    if (this.follows === 'not at all') return tf.mul(x, tf.mul(w, u));
    this.weights[1].write(w);
    if (this.follows === 'with gradient') return tf.mul(x, tf.square(w));
    const constant = differentiable(
      [w],
      (w) => tf.clone(w),
      (dy) => [tf.zerosLike(dy)],
    );
    return tf.mul(x, tf.mul(w, constant));
  }

  attentionMaps(): Record<string, tf.Tensor> {
    return { query: tf.clone(this.weights[1].read()) };
  }
}

const scalar = (value: number) => ({ shape: [1], data: Float32Array.of(value) });
const map = (value: number) => ({ shape: [1, 1, 1, 1], data: Float32Array.of(value) });

/** A run of x·w·u with u set to w first, at x = 1 and w = 3. */
const run = {
  'state.a.w': scalar(3),
  'state.a.u': scalar(2),
  input: map(1),
  output: map(9),
  probe: map(1),
};

async function failureOf(tensors: StateDict, follows: Follower['follows']): Promise<string | undefined> {
  const golden: Golden = { name: 'follower', block: 'follower', config: {}, tensors };
  const report = await compareWithGolden(golden, ({ state }) => new Follower(follows, state), 'cpu');
  return report.failure;
}

beforeAll(async () => {
  await useBackend('cpu');
});

test('compares buffers after the forward, whose names may leave out where they are', async () => {
  expect(await failureOf({ ...run, 'after.a.u': scalar(3) }, 'with gradient')).toBeUndefined();
  expect(await failureOf({ ...run, 'after.u': scalar(3) }, 'with gradient')).toBeUndefined();
  expect(await failureOf({ ...run, 'after.u': scalar(2) }, 'with gradient')).toMatch(/^after a\.u differs by/);
  expect(await failureOf({ ...run, output: map(6), 'after.u': scalar(3) }, 'not at all')).toMatch(/^after a\.u differs by/);
});

test('takes either gradient: through buffers, or with these held constant', async () => {
  const gradients = { ...run, 'grad.a.w': scalar(6), 'gradsg.a.w': scalar(3) };
  expect(await failureOf(gradients, 'with gradient')).toBeUndefined();
  expect(await failureOf(gradients, 'as a constant')).toBeUndefined();
  expect(await failureOf({ ...gradients, 'gradsg.a.w': scalar(4) }, 'as a constant')).toMatch(/^gradsg a\.w differs by/);
  expect(await failureOf({ ...run, 'grad.a.w': scalar(6) }, 'as a constant')).toMatch(/^grad a\.w differs by/);
});

test('compares the attention of a layer whose buffers no forward has changed', async () => {
  expect(await failureOf({ ...run, attention: scalar(2) }, 'with gradient')).toBeUndefined();
});
