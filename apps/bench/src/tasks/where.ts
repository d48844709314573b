import type { ImageSet } from '../data/images.ts';
import { randomFrom, shuffled, type Random } from '../engine/random.ts';
import type { Task } from './task.ts';

const SIDE = 80;
/** Quarters in a row and in a column. */
const GRID = 2;
/** How far a quarter is from the next, and in how many pixels of a row and of a column an item's place within it varies. */
const STEP = 16;
const RANGE = 8;
const CLASSES = GRID ** 2;

/**
 * Where an item is: top left, top right, bottom left or bottom right in the middle of a dark canvas. Each item comes at the same place within
 * each quarter, and the quarters are as far apart as whole positions of the network's last maps, so that what convolutions find, pooled over
 * positions, is the same for all classes. The zeros around the canvas betray places, too (Islam et al. 2020, https://arxiv.org/abs/2001.08248): they are kept
 * 21 pixels or more from the items, if these are of 28 pixels, of which half remains.
 */
export const where: Task = {
  name: 'where',
  metric: 'accuracy',
  dense: false,
  stride: 8,
  labels: ['top left', 'top right', 'bottom left', 'bottom right'],
  batch: 16,
  format: ({ channels }) => ({ height: SIDE, width: SIDE, channels, classes: CLASSES }),
  dataset: ({ name, train, test }, seed = 0) => ({
    name: `places of ${name}`,
    train: placesOf(train, randomFrom(`${seed}/where/train`)),
    test: placesOf(test, randomFrom(`${seed}/where/test`)),
    classes: CLASSES,
  }),
};

function placesOf(images: ImageSet, random: Random): ImageSet {
  const { channels } = images;
  const [height, width] = [images.height, images.width].map((size) => Math.floor(size / 2));
  // About two thirds as many images as there are: with all of them the plain network begins to find the border.
  const items = Math.ceil((2 * images.count) / 3 / CLASSES);
  const count = items * CLASSES;
  const pixels = new Uint8Array(count * SIDE * SIDE * channels);
  const labels = Uint8Array.from({ length: count }, (_, image) => image % CLASSES);
  const order = shuffled(images.count, random);
  for (let k = 0; k < items; k++) {
    const item = halved(images, order[k]);
    const [down, across] = [height, width].map((size) => Math.floor((SIDE - size - (GRID - 1) * STEP - RANGE) / 2) + Math.floor(RANGE * random()));
    for (let quarter = 0; quarter < CLASSES; quarter++) {
      const [top, left] = [down + STEP * Math.floor(quarter / GRID), across + STEP * (quarter % GRID)];
      for (let row = 0; row < height; row++) {
        const start = (((k * CLASSES + quarter) * SIDE + top + row) * SIDE + left) * channels;
        pixels.set(item.subarray(row * width * channels, (row + 1) * width * channels), start);
      }
    }
  }
  return { count, height: SIDE, width: SIDE, channels, pixels, labels };
}

/** An image at half the resolution: means of 2×2 pixels. */
function halved({ pixels, height, width, channels }: ImageSet, image: number): Uint8Array {
  const [rows, columns] = [Math.floor(height / 2), Math.floor(width / 2)];
  const half = new Uint8Array(rows * columns * channels);
  const at = (row: number, column: number, channel: number) => pixels[((image * height + row) * width + column) * channels + channel];
  for (let i = 0; i < half.length; i++) {
    const channel = i % channels;
    const [row, column] = [2 * Math.floor(i / channels / columns), 2 * (Math.floor(i / channels) % columns)];
    half[i] = (at(row, column, channel) + at(row, column + 1, channel) + at(row + 1, column, channel) + at(row + 1, column + 1, channel)) / 4;
  }
  return half;
}
