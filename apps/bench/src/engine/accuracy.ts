import {
  argMax,
  losses,
  oneHot,
  reshape,
  tensor1d,
  tensor4d,
  tidy,
  train as optimizers,
  type Scalar,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  type Variable,
} from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset, ImageSet } from '../data/images.ts';
import { normalisationOf, type Normalisation } from '../data/normalisation.ts';
import type { TaskName } from '../tasks/names.ts';
import { formatOf, tasks, type Metric, type Task } from '../tasks/tasks.ts';
import { blockRandom, networkOf, type Insert } from './network.ts';
import { randomFrom, shuffled, withRandom, type Random } from './random.ts';
import { median } from './statistics.ts';

const TEST_BATCH = 250;
/** At the first step; it falls in a straight line to zero at the end. */
const LEARNING_RATE = 0.05;
const MOMENTUM = 0.9;

/** One training of the host network. */
export interface Training {
  /** The task's metric on the test images: the fraction that is classified right, or the mean IoU. */
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
 * Trains a task's network with a block, or without any, and tests it. For a given seed and images, the order of the images and the
 * initial weights of the network around the block are the same whichever block it is.
 *
 * @param images what the task is made from
 * @returns the trained network too, which the caller disposes, and what its pixels are normalised by
 * @throws where the loss stops being a number
 */
export async function train(
  task: TaskName,
  images: Dataset,
  insert: Insert | null,
  options: TrainingOptions,
): Promise<{ training: Training; network: LayersModel; normalisation: Normalisation }> {
  const random = blockRandom(options.seed);
  const network = networkOf(task, formatOf(images), options.seed, insert, random);
  try {
    const data = tasks[task].dataset(images);
    const normalisation = normalisationOf(data.train);
    return { training: await fit(tasks[task], data, normalisation, network, random, options), network, normalisation };
  } catch (error) {
    network.dispose();
    throw error;
  }
}

async function fit(
  task: Task,
  data: Dataset,
  normalisation: Normalisation,
  network: LayersModel,
  random: Random,
  options: TrainingOptions,
): Promise<Training> {
  const { seed, epochs, onProgress = () => undefined } = options;
  const variables = network.trainableWeights.map((weight) => weight.read() as Variable);
  const params = variables.reduce((count, { size }) => count + size, 0);
  const normalise = tableOf(normalisation);
  const optimizer = optimizers.momentum(LEARNING_RATE, MOMENTUM);
  const steps = Math.max(1, Math.floor(data.train.count / task.batch));
  const stepMs: number[] = [];
  const epochLosses: number[] = [];
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = shuffled(data.train.count, randomFrom(`${seed}/order/${epoch}`));
      let total = 0;
      for (let step = 0; step < steps; step++) {
        const batch = batchOf(data.train, order.subarray(step * task.batch, (step + 1) * task.batch), normalise);
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
  } finally {
    optimizer.dispose();
  }
  const accuracy = SCORES[task.metric](await confusionOf(network, data, normalise));
  return { accuracy, stepMs: median(stepMs), params, losses: epochLosses };
}

interface Batch {
  readonly images: Tensor4D;
  /** Those of all images one after the other, or of all their pixels. */
  readonly labels: Tensor1D;
}

function lossOf(network: LayersModel, { images, labels }: Batch, classes: number): Scalar {
  const logits = reshape(network.apply(images, { training: true }) as Tensor, [-1, classes]);
  return losses.softmaxCrossEntropy<Tensor, Scalar>(oneHot(labels, classes), logits);
}

/** How often each class, by row, was taken for each, by column. */
type Confusion = readonly Float64Array[];

async function confusionOf(network: LayersModel, { test, classes }: Dataset, normalise: Table): Promise<Confusion> {
  const confusion = Array.from({ length: classes }, () => new Float64Array(classes));
  for (let start = 0; start < test.count; start += TEST_BATCH) {
    const indices = Uint32Array.from({ length: Math.min(TEST_BATCH, test.count - start) }, (_, i) => start + i);
    const { images, labels } = batchOf(test, indices, normalise);
    const predicted = tidy(() => argMax(network.apply(images) as Tensor, -1));
    const [truth, guesses] = [await labels.data(), await predicted.data()];
    truth.forEach((label, i) => confusion[label][guesses[i]]++);
    for (const tensor of [images, labels, predicted]) tensor.dispose();
  }
  return confusion;
}

const SCORES: Record<Metric, (confusion: Confusion) => number> = {
  accuracy: (confusion) => {
    const right = confusion.reduce((count, row, label) => count + row[label], 0);
    return right / confusion.reduce((count, row) => count + sumOf(row), 0);
  },
  // A class that is neither there nor predicted has no IoU.
  'mean IoU': (confusion) => {
    const unions = confusion.map((row, label) => sumOf(row) + sumOf(confusion.map((other) => other[label])) - row[label]);
    const present = confusion.map((row, label) => row[label] / unions[label]).filter((iou) => !Number.isNaN(iou));
    return sumOf(present) / present.length;
  },
};

function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/** For each channel, what each of the 256 values of a byte becomes: computed once, not for each pixel. */
type Table = readonly Float32Array[];

function tableOf({ mean, deviation }: Normalisation): Table {
  return mean.map((_, channel) => Float32Array.from({ length: 256 }, (_, value) => (value - mean[channel]) / deviation[channel]));
}

function batchOf({ count, pixels, labels, height, width, channels }: ImageSet, indices: Uint32Array, normalise: Table): Batch {
  const size = height * width * channels;
  const values = new Float32Array(indices.length * size);
  const perImage = labels.length / count;
  const chosen = new Int32Array(indices.length * perImage);
  indices.forEach((index, i) => {
    for (let p = 0; p < size; p++) values[i * size + p] = normalise[p % channels][pixels[index * size + p]]!;
    chosen.set(labels.subarray(index * perImage, (index + 1) * perImage), i * perImage);
  });
  return { images: tensor4d(values, [indices.length, height, width, channels]), labels: tensor1d(chosen, 'int32') };
}
