import type { ImageSet } from '../data/images.ts';
import { randomFrom, type Random } from '../engine/random.ts';
import type { Task } from './task.ts';

const SIDE = 32;
/** How many curves are tried before all is begun anew. */
const ATTEMPTS = 100;
/** Dashes of the curves that dots lie on, in turn from pair to pair of images. */
const LENGTHS = [2, 3, 5];
/** A shorter curve, to lead astray. */
const DISTRACTOR_LENGTH = 2;
/** A dash's pixels, and how far from its start the next one starts. */
const DASH = 3;
const PITCH = 4;
/** How much the direction changes at most from dash to dash, in radians: too little for a curve to come back to itself. */
const BEND = 0.25;
/** Curves are at least so many rows or columns apart: further than one dash from the next, dots included. */
const CLEARANCE = 6;
const MARGIN = 2;
/** By how many pixels the dots' distances in a pair of pictures may differ: places are whole pixels. */
const SIMILAR = 0.5;
const DASH_GREY = 140;
const DOT_GREY = 255;
const TRAIN = 4000;
const TEST = 600;

/**
 * Whether a dashed curve leads from one dot to the other. There are two curves of the same length and a short one; the dots lie at both ends
 * of one, or on an end of each. Three lengths are equally frequent. Each drawing comes twice, once with either pair of dots, which are as far
 * from each other: neither a dot's surroundings nor the distance of the other dot tells. The given images play no part.
 *
 * A small form of Pathfinder (Linsley et al. 2018, https://arxiv.org/abs/1805.08315). Its curves have 6, 9 or 14 dashes, on larger pictures with more
 * curves; a small network learns nothing of that in seconds. The dots are brighter than the curves here: to find them is not the task.
 */
export const pathfinder: Task = {
  name: 'pathfinder',
  metric: 'accuracy',
  dense: false,
  stride: 4,
  labels: ['apart', 'joined'],
  batch: 16,
  format: () => ({ height: SIDE, width: SIDE, channels: 1, classes: 2 }),
  dataset: (_, seed = 0) => ({
    name: `curves of ${LENGTHS.join(', ')} dashes`,
    train: pictures(TRAIN, randomFrom(`${seed}/pathfinder/train`)),
    test: pictures(TEST, randomFrom(`${seed}/pathfinder/test`)),
    classes: 2,
  }),
};

/** The pixels of a dash, as positions in a picture. */
type Dash = readonly number[];
type Dots = readonly [number, number];

function pictures(count: number, random: Random): ImageSet {
  const pixels = new Uint8Array(count * SIDE * SIDE);
  const labels = Uint8Array.from({ length: count }, (_, picture) => picture % 2);
  for (let picture = 0; picture < count; picture += 2) {
    const { curves, apart, joined } = layoutOf(LENGTHS[(picture / 2) % LENGTHS.length], random);
    for (const [label, dots] of [apart, joined].entries()) {
      const canvas = pixels.subarray((picture + label) * SIDE * SIDE, (picture + label + 1) * SIDE * SIDE);
      for (const position of curves.flat(2)) canvas[position] = DASH_GREY;
      for (const position of dots.flatMap((dot) => around(dot, 1))) canvas[position] = DOT_GREY;
    }
  }
  return { count, height: SIDE, width: SIDE, channels: 1, pixels, labels };
}

/**
 * Curves, and where the dots lie: on the ends of two of the curves, and on both ends of one. The second curve starts at a place that is as far from
 * an end of the first one as its other end, in any direction.
 */
function layoutOf(length: number, random: Random): { curves: Dash[][]; apart: Dots; joined: Dots } {
  for (;;) {
    const taken = new Uint8Array(SIDE * SIDE);
    const first = placed(length, taken, random, () => Math.floor(SIDE * SIDE * random()));
    if (!first) continue;
    const [start, end] = [first[0][0], first.at(-1)!.at(-1)!];
    const second = placed(length, taken, random, () => displaced(start, distance(start, end), 2 * Math.PI * random()));
    if (!second || Math.abs(distance(start, second[0][0]) - distance(start, end)) > SIMILAR) continue;
    const distractor = placed(DISTRACTOR_LENGTH, taken, random, () => Math.floor(SIDE * SIDE * random()));
    if (!distractor) continue;
    return { curves: [first, second, distractor], apart: [start, second[0][0]], joined: [start, end] };
  }
}

/** A curve where nothing is taken, if one fits. What is near it then is. */
function placed(length: number, taken: Uint8Array, random: Random, start: () => number): Dash[] | null {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const curve = curveOf(length, start(), taken, random);
    if (!curve) continue;
    for (const pixel of curve.flat()) for (const position of around(pixel, CLEARANCE - 1)) taken[position] = 1;
    return curve;
  }
  return null;
}

/** @returns null where it would leave the picture, or come near another curve */
function curveOf(length: number, start: number, taken: Uint8Array, random: Random): Dash[] | null {
  let [y, x] = [Math.floor(start / SIDE), start % SIDE];
  let angle = 2 * Math.PI * random();
  const dashes: Dash[] = [];
  for (let i = 0; i < length; i++) {
    const [down, across] = [Math.sin(angle), Math.cos(angle)];
    const dash: number[] = [];
    for (let step = 0; step < DASH; step++) {
      const [row, column] = [Math.round(y + step * down), Math.round(x + step * across)];
      const outside = Math.min(row, column) < MARGIN || Math.max(row, column) >= SIDE - MARGIN;
      if (outside || taken[row * SIDE + column] === 1) return null;
      dash.push(row * SIDE + column);
    }
    dashes.push(dash);
    [y, x] = [y + PITCH * down, x + PITCH * across];
    angle += BEND * (2 * random() - 1);
  }
  return dashes;
}

/** The positions at most `reach` rows and columns away. */
function around(position: number, reach: number): number[] {
  const [row, column] = [Math.floor(position / SIDE), position % SIDE];
  const near: number[] = [];
  for (let y = Math.max(0, row - reach); y <= Math.min(SIDE - 1, row + reach); y++) {
    for (let x = Math.max(0, column - reach); x <= Math.min(SIDE - 1, column + reach); x++) near.push(y * SIDE + x);
  }
  return near;
}

/** The place so far away in a direction, or one outside of the picture. */
function displaced(position: number, by: number, angle: number): number {
  const [row, column] = [Math.round(Math.floor(position / SIDE) + by * Math.sin(angle)), Math.round((position % SIDE) + by * Math.cos(angle))];
  return column >= 0 && column < SIDE ? row * SIDE + column : -1;
}

function distance(one: number, other: number): number {
  return Math.hypot(Math.floor(one / SIDE) - Math.floor(other / SIDE), (one % SIDE) - (other % SIDE));
}
