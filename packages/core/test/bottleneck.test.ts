import { Block, describe as describeBlock, type Shape, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { closeTo, onEachBackend, random, randomiseWeights } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';

/** Both learned parts, one after the other. */
class TestContext extends Block<object> {
  static override readonly className = 'TestContext';
  static override readonly options = {};
  pool!: parts.AttentionPool;
  transform!: parts.Bottleneck;

  override define(weights: WeightScope, inputShape: Shape): void {
    const channels = inputShape.at(-1)!;
    this.pool = parts.attentionPool(weights.at('pool'), channels);
    this.transform = parts.bottleneck(weights.at('transform'), channels, 3, { activation: 'silu', norm: 'layer', useBias: false });
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.transform(this.pool(x));
  }

  override maps(x: tf.Tensor): { spatial: tf.Tensor } {
    return { spatial: this.pool.map(x) };
  }

  override macs([images, ...map]: readonly number[]): number {
    return images * (this.pool.macs(map[0] * map[1]) + this.transform.macs());
  }
}

onEachBackend(() => {
  test('attention pooling and a bottleneck equal plain ops', async () => {
    const x = random([2, 3, 4, 5]);
    const layer = new TestContext();
    layer.build(x.shape);
    randomiseWeights(layer);
    const weight = (path: string) => layer.weights.find(({ originalName }) => originalName.endsWith(path))!.read();
    const rows = tf.reshape(x, [24, 5]);
    const map = tf.softmax(tf.reshape(tf.add(tf.matMul(rows, weight('pool/kernel')), weight('pool/bias')), [2, 12]));
    const pooled = tf.sum(tf.mul(tf.reshape(x, [2, 12, 5]), tf.expandDims(map, 2)), 1);
    const hidden = tf.matMul(pooled, weight('transform/reduce/kernel'));
    const { mean, variance } = tf.moments(hidden, 1, true);
    const normal = tf.div(tf.sub(hidden, mean), tf.sqrt(tf.add(variance, 1e-5)));
    const z = tf.add(tf.mul(normal, weight('transform/norm/gamma')), weight('transform/norm/beta'));
    const y = tf.matMul(tf.mul(z, tf.sigmoid(z)), weight('transform/expand/kernel'));
    await closeTo(layer.apply(x) as tf.Tensor, y, 1e-5);
    await closeTo(layer.attentionMaps(x)['spatial'], tf.reshape(map, [2, 3, 4]), 1e-5);
  });
});

test('they cost what they multiply', () => {
  expect(new TestContext().cost([2, 3, 4, 5])).toEqual({ params: 6 + 15 + 6 + 15, macs: 2 * (2 * 12 * 5 + 2 * 15) });
});

test('a bottleneck has the parts that it is asked for', () => {
  class TestBottleneck extends TestContext {
    override define(weights: WeightScope): void {
      parts.bottleneck(weights, 5, 3, { expand: parts.heFanOut(5) });
    }
  }
  const { specs } = describeBlock(new TestBottleneck(), [null, null, null, 5]);
  expect(specs.map(({ path, shape }) => [path, shape])).toEqual([
    ['reduce/kernel', [5, 3]],
    ['reduce/bias', [3]],
    ['expand/kernel', [3, 5]],
    ['expand/bias', [5]],
  ]);
  expect(
    specs
      .at(-1)!
      .initializer.apply([5])
      .dataSync()
      .every((value) => value === 0),
  ).toBe(true);
});
