import type { ImageSet } from '../data/images.ts';
import { randomFrom, shuffled, type Random } from '../engine/random.ts';
import type { Task } from './task.ts';

const SIDE = 64;
/** Cells of positions in a row and in a column. */
const GRID = 3;
/** Positions of the item in a cell, in a row and in a column: as many pixels as the host network's last maps are coarser than the image. */
const CELL = 8;
const CLASSES = GRID ** 2;

/**
 * Where an item is: it lies anywhere in the middle of a dark canvas, in one of 3×3 cells, and the cell is its class. Each item comes once in each cell, at the
 * same place within it. So all that a network of convolutions can pool over positions is the same for all classes, but for what the zeros around
 * the canvas, far from the item, betray (Islam et al. 2020, https://arxiv.org/abs/2001.08248).
 */
export const where: Task = {
  name: 'where',
  metric: 'accuracy',
  dense: false,
  stride: 8,
  labels: ['top left', 'top', 'top right', 'left', 'middle', 'right', 'bottom left', 'bottom', 'bottom right'],
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
  // About half as many images as there are.
  const items = Math.ceil(images.count / 2 / CLASSES);
  const count = items * CLASSES;
  const pixels = new Uint8Array(count * SIDE * SIDE * channels);
  const labels = Uint8Array.from({ length: count }, (_, image) => image % CLASSES);
  const order = shuffled(images.count, random);
  for (let k = 0; k < items; k++) {
    const item = halved(images, order[k]);
    const [down, across] = [height, width].map((size) => Math.floor((SIDE - size - GRID * CELL) / 2) + Math.floor(CELL * random()));
    for (let cell = 0; cell < CLASSES; cell++) {
      const [top, left] = [down + CELL * Math.floor(cell / GRID), across + CELL * (cell % GRID)];
      for (let row = 0; row < height; row++) {
        const start = (((k * CLASSES + cell) * SIDE + top + row) * SIDE + left) * channels;
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
