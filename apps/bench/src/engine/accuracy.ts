import {
  argMax,
  equal,
  losses,
  oneHot,
  sum,
  tensor1d,
  tensor4d,
  tidy,
  train as optimizers,
  type Scalar,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
  type Variable,
} from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset, ImageSet } from '../data/images.ts';
import { hostNetwork, type Insert } from './network.ts';
import { randomFrom, shuffled, withRandom } from './random.ts';
import { median } from './statistics.ts';

const BATCH = 32;
const TEST_BATCH = 250;
/** At the first step; it falls in a straight line to zero at the end. */
const LEARNING_RATE = 0.05;
const MOMENTUM = 0.9;

/** One training of the host network. */
export interface Training {
  /** The fraction of the test images that are classified right. */
  readonly accuracy: number;
  /** The median time of a training step, in milliseconds. */
  readonly stepMs: number;
  /** Learned parameters of the whole network. */
  readonly params: number;
  /** Each epoch's mean loss. */
  readonly losses: number[];
}

export interface TrainingOptions {
  readonly seed: number;
  readonly epochs: number;
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Trains the host network with a block, or without any, and tests it. For a given seed and data set, the order of the images and the
 * initial weights of the network around the block are the same whichever block it is.
 *
 * @throws where the loss stops being a number
 */
export async function measureAccuracy(
  data: Dataset,
  insert: Insert | null,
  { seed, epochs, onProgress = () => undefined }: TrainingOptions,
): Promise<Training> {
  const { height, width, channels } = data.train;
  // Blocks draw their initial weights, and what they drop, from TensorFlow.js's generators, which are seeded by Math.random.
  const random = randomFrom(`${seed}/block`);
  const network = withRandom(random, () => hostNetwork([height, width, channels], data.classes, seed, insert));
  const variables = network.trainableWeights.map((weight) => weight.read() as Variable);
  const params = variables.reduce((count, { size }) => count + size, 0);
  const normalise = normaliserOf(data.train);
  const optimizer = optimizers.momentum(LEARNING_RATE, MOMENTUM);
  const steps = Math.max(1, Math.floor(data.train.count / BATCH));
  const stepMs: number[] = [];
  const epochLosses: number[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = shuffled(data.train.count, randomFrom(`${seed}/order/${epoch}`));
    let total = 0;
    for (let step = 0; step < steps; step++) {
      const batch = batchOf(data.train, order.subarray(step * BATCH, (step + 1) * BATCH), normalise);
      const start = performance.now();
      optimizer.setLearningRate(LEARNING_RATE * (1 - (epoch * steps + step) / (epochs * steps)));
      const loss = withRandom(random, () => optimizer.minimize(() => lossOf(network, batch, data.classes), true, variables))!;
      total += (await loss.data())[0];
      stepMs.push(performance.now() - start);
      loss.dispose();
      batch.images.dispose();
      batch.labels.dispose();
      if (!Number.isFinite(total)) throw new Error(`training failed: the loss is ${total} in epoch ${epoch + 1}, step ${step + 1}`);
      onProgress((epoch * steps + step + 1) / (epochs * steps));
    }
    epochLosses.push(total / steps);
  }
  return { accuracy: (await countRight(network, data.test, normalise)) / data.test.count, stepMs: median(stepMs), params, losses: epochLosses };
}

interface Batch {
  readonly images: Tensor4D;
  readonly labels: Tensor1D;
}

function lossOf(network: LayersModel, { images, labels }: Batch, classes: number): Scalar {
  const logits = network.apply(images, { training: true }) as Tensor2D;
  return losses.softmaxCrossEntropy<Tensor, Scalar>(oneHot(labels, classes), logits);
}

async function countRight(network: LayersModel, test: ImageSet, normalise: Float32Array[]): Promise<number> {
  let right = 0;
  for (let start = 0; start < test.count; start += TEST_BATCH) {
    const indices = Uint32Array.from({ length: Math.min(TEST_BATCH, test.count - start) }, (_, i) => start + i);
    const { images, labels } = batchOf(test, indices, normalise);
    const matches = tidy(() => sum(equal(argMax(network.apply(images) as Tensor, -1), labels)));
    right += (await matches.data())[0];
    for (const tensor of [images, labels, matches]) tensor.dispose();
  }
  return right;
}

/** For each channel, what each of the 256 values of a byte becomes: mean 0 and deviation 1 over the images. */
function normaliserOf({ pixels, channels }: ImageSet): Float32Array[] {
  return Array.from({ length: channels }, (_, channel) => {
    const histogram = new Float64Array(256);
    for (let i = channel; i < pixels.length; i += channels) histogram[pixels[i]]++;
    const count = pixels.length / channels;
    const mean = histogram.reduce((sum, times, value) => sum + times * value, 0) / count;
    const deviation = Math.sqrt(histogram.reduce((sum, times, value) => sum + times * (value - mean) ** 2, 0) / count);
    return Float32Array.from({ length: 256 }, (_, value) => (value - mean) / Math.max(deviation, 1));
  });
}

function batchOf({ pixels, labels, height, width, channels }: ImageSet, indices: Uint32Array, normalise: Float32Array[]): Batch {
  const size = height * width * channels;
  const values = new Float32Array(indices.length * size);
  indices.forEach((index, i) => {
    for (let p = 0; p < size; p++) values[i * size + p] = normalise[p % channels][pixels[index * size + p]]!;
  });
  const images = tensor4d(values, [indices.length, height, width, channels]);
  return {
    images,
    labels: tensor1d(
      Int32Array.from(indices, (index) => labels[index]),
      'int32',
    ),
  };
}
