import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import { gridOf, layoutOf, type Grid } from '../scale-layout.js';
import type { GateRule } from '../scale.js';
import { addressOf, FLOAT_BYTES, type WasmBackend } from './backend.js';
import { gateKind, gateProgram } from './scale-gate.js';

// Of a map, in bytes, a call: calls are then few, and V8, which cannot exchange the code of a call that runs, still soon runs what it optimised.
const PIECE = 1 << 18;

/** The way through a map, piece by piece. */
export interface Walk extends Grid {
  readonly map: readonly number[];
  /** Whether the positions are one row: no gate needs to know where their rows begin. */
  readonly flat: boolean;
  /** Positions of a piece, at most. */
  readonly step: number;
}

/** Some positions of a row. */
export interface Piece {
  readonly image: number;
  readonly row: number;
  /** The first one. */
  readonly from: number;
  readonly positions: number;
  /** Where it lies in a map, in bytes. */
  readonly at: number;
}

/** A gate in memory, or the sums for one. */
export interface Place {
  /** Where that begins which a piece has. */
  readonly of: (piece: Piece) => number;
  /** Vectors of a row. */
  readonly count: number;
  readonly scalar: boolean;
}

/** That of no gate. */
export const NOWHERE: Place = { of: () => 0, count: 0, scalar: false };

export function walkOf(map: readonly number[], gates: readonly TensorInfo[]): Walk {
  const { images, height, width, channels } = gridOf(map);
  const flat = gates.every((gate) => {
    const { rows, columns } = layoutOf(map, gate.shape)!;
    return (rows === 1 && columns === 1) || (rows === height && columns === width);
  });
  if (!flat) return { map, flat, images, height, width, channels, step: width };
  const step = Math.max(Math.floor(PIECE / (channels * FLOAT_BYTES)), 1);
  return { map, flat, images, height: 1, width: height * width, channels, step };
}

export function forEachPiece({ images, height, width, channels, step }: Walk, visit: (piece: Piece) => void): void {
  let at = 0;
  for (let image = 0; image < images; image++) {
    for (let row = 0; row < height; row++) {
      for (let from = 0; from < width; from += step) {
        const positions = Math.min(step, width - from);
        visit({ image, row, from, positions, at });
        at += positions * channels * FLOAT_BYTES;
      }
    }
  }
}

/** Where a gate that lies at an address, or the sums for one, has what belongs to a piece. */
export function placeOf(walk: Walk, gate: TensorInfo, begin: number): Place {
  const { flat, height, width, channels } = walk;
  const { scalar, shared, ...layout } = layoutOf(walk.map, gate.shape)!;
  const [rows, columns] = flat ? [1, layout.rows * layout.columns] : [layout.rows, layout.columns];
  const bytes = (scalar ? 1 : channels) * FLOAT_BYTES;
  const of = ({ image, row, from }: Piece): number => {
    const line = (shared ? 0 : image * rows) + Math.floor((row * rows) / height);
    return begin + (line * columns + (columns === width ? from : 0)) * bytes;
  };
  return { of, count: columns, scalar };
}

/** Of the scratch memory that gates need: constants, and the values that are made of their logits. */
export function scratchBytes(backend: WasmBackend, gates: readonly TensorInfo[], rule: GateRule): number {
  const constants = gateProgram.on(backend).constantBytes();
  return areValues(rule) ? constants : gates.reduce((bytes, gate) => bytes + sizeOf(gate.shape) * FLOAT_BYTES, constants);
}

/** The gates of their logits; of a mean, each one's share. */
export function prepare(backend: WasmBackend, walk: Walk, gates: readonly TensorInfo[], rule: GateRule, scratch: number): Place[] {
  const { constantBytes, storeConstants, activate } = gateProgram.on(backend);
  const share = rule.mean ? 1 / gates.length : 1;
  storeConstants(scratch);
  let next = scratch + constantBytes();
  return gates.map((gate) => {
    const [from, to, size] = [addressOf(backend, gate), next, sizeOf(gate.shape)];
    if (areValues(rule)) return placeOf(walk, gate, from);
    activate(from, size, gateKind(rule.activation), share, to, scratch);
    next += size * FLOAT_BYTES;
    return placeOf(walk, gate, to);
  });
}

/** Whether the gates are what they are given as. */
function areValues({ activation, mean }: GateRule): boolean {
  return !activation && !mean;
}

/** Gates by what they are: up to two of vectors, and one of values. */
export interface Slots {
  readonly first: Place;
  readonly second: Place;
  readonly values: Place;
}

export function slotsOf(places: readonly Place[]): Slots {
  const [first = NOWHERE, second = NOWHERE] = places.filter(({ scalar }) => !scalar);
  return { first, second, values: places.find(({ scalar }) => scalar) ?? NOWHERE };
}
