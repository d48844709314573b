import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { Form, Inputs } from '../kernel.js';
import type { JointGradientInputs, JointInputs, JointRule } from '../scale-jointly.js';
import { addressOf, FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { gateKind, gateProgram } from './scale-gate.js';
import { forEachPiece, walkOf, type Piece, type Walk } from './scale-walk.js';
import { scaleProgram } from './scale.js';

const canRun = (backend: WasmBackend): boolean => scaleProgram.canRun(backend) && gateProgram.canRun(backend);

/** The kernel on wasm. */
export const wasmScaleJointly: Form<WasmBackend, JointInputs, JointRule> = { canRun, run: scaleJointly };

/** The gradients' kernel on wasm. */
export const wasmJointGradient: Form<WasmBackend, JointGradientInputs, JointRule> = { canRun, run: gradients };

// tanh z = 2σ(2z) − 1
const AS_SIGMOID = { sigmoid: { of: 1, factor: 1, addend: 0 }, tanh: { of: 2, factor: 2, addend: -1 } } as const;

function scaleJointly(backend: WasmBackend, inputs: Inputs<JointInputs>, rule: JointRule): TensorInfo {
  const { scaleByProductOfOne } = scaleProgram.on(backend);
  const { x } = inputs;
  const walk = walkOf(x.shape, []);
  const { factor, addend } = AS_SIGMOID[rule.activation];
  const base = addend + Number(rule.residual);
  return withScratch(backend, scratchBytes(backend, walk, 1), 'scaleJointly', (scratch) => {
    const out = backend.makeOutput(x.shape, 'float32');
    const { gates, sigmoidOf } = joint(backend, walk, inputs, rule, scratch);
    const [from, to] = [x, out].map((tensor) => addressOf(backend, tensor));
    forEachPiece(walk, (piece) => {
      const { at, positions } = piece;
      sigmoidOf(piece, factor);
      scaleByProductOfOne(from + at, positions, walk.channels, gates, 1, 0, 0, 1, 0, base, to + at);
    });
    return out;
  });
}

function gradients(backend: WasmBackend, { dy, ...inputs }: Inputs<JointGradientInputs>, rule: JointRule): TensorInfo {
  const { scaleByProductOfOne, sumChannels, sumVectors } = scaleProgram.on(backend);
  const { activate, slopesOfSigmoid } = gateProgram.on(backend);
  const { x, spatial, factor: factors, offset: offsets } = inputs;
  const walk = walkOf(x.shape, []);
  const { channels } = walk;
  const { of, factor, addend } = AS_SIGMOID[rule.activation];
  const base = addend + Number(rule.residual);
  const parts = [x, spatial, factors, offsets].map((tensor) => (tensor ? sizeOf(tensor.shape) : 0));
  return withScratch(backend, scratchBytes(backend, walk, 2), 'scaleJointly', (scratch) => {
    const out = backend.makeOutput([parts.reduce((a, b) => a + b)], 'float32');
    const { gates, sigmoidOf, factorsOf } = joint(backend, walk, inputs, rule, scratch);
    const slopes = gates + pieceBytes(walk);
    const [slope, from, values, toX] = [dy, x, spatial, out].map((tensor) => addressOf(backend, tensor));
    const toSpatial = toX + parts[0] * FLOAT_BYTES;
    const toFactor = toSpatial + parts[1] * FLOAT_BYTES;
    const toOffset = toFactor + parts[2] * FLOAT_BYTES;
    backend.wasm.HEAPU8.fill(0, toSpatial, toOffset + parts[3] * FLOAT_BYTES);
    forEachPiece(walk, (piece) => {
      const { image, from: first, positions, at } = piece;
      const own = (image * walk.width + first) * FLOAT_BYTES;
      const [dys, xs] = [slope + at, from + at];
      const count = positions * channels;
      sigmoidOf(piece, 1);
      slopesOfSigmoid(gates, count, factor, slopes, scratch);
      sumChannels(dys, xs, positions, channels, toSpatial + own, factorsOf(piece), 0, slopes, 1, 1);
      // The logits that the factors in scratch memory make are `of` times those of the tensors.
      const vectors = image * channels * FLOAT_BYTES;
      if (of !== 1) activate(slopes, count, 0, of, slopes, scratch);
      if (factors) sumVectors(dys, xs, positions, channels, toFactor + vectors, 0, slopes, 1, 1, values + own);
      if (offsets) sumVectors(dys, xs, positions, channels, toOffset + vectors, 0, slopes, 1, 1, 0);
      if (factor !== 1) activate(gates, count, 0, factor, gates, scratch);
      scaleByProductOfOne(dys, positions, channels, gates, 1, 0, 0, 1, 0, base, toX + at);
    });
    return out;
  });
}

/** What the scratch memory holds: constants, factors and offsets of all images, and with so many values each position of a piece. */
function scratchBytes(backend: WasmBackend, walk: Walk, maps: number): number {
  return gateProgram.on(backend).constantBytes() + 2 * walk.images * walk.channels * FLOAT_BYTES + maps * pieceBytes(walk);
}

function pieceBytes({ step, channels }: Walk): number {
  return step * channels * FLOAT_BYTES;
}

/** The terms in scratch memory, and how the gates of a piece are made of them. */
function joint(backend: WasmBackend, walk: Walk, { spatial, factor, offset }: Inputs<JointInputs>, { activation }: JointRule, scratch: number) {
  const { joinLogits } = scaleProgram.on(backend);
  const { constantBytes, storeConstants, activate } = gateProgram.on(backend);
  const { images, width, channels } = walk;
  const count = images * channels;
  const factors = scratch + constantBytes();
  const offsets = factors + count * FLOAT_BYTES;
  const gates = offsets + count * FLOAT_BYTES;
  storeConstants(scratch);
  const { of } = AS_SIGMOID[activation];
  const store = (term: TensorInfo | undefined, otherwise: number, to: number): void => {
    if (term) activate(addressOf(backend, term), count, 0, of, to, scratch);
    else new Float32Array(backend.wasm.HEAPU8.buffer, to, count).fill(otherwise * of);
  };
  store(factor, 1, factors);
  store(offset, 0, offsets);
  const values = addressOf(backend, spatial);
  const vectorsAt = (begin: number, { image }: Piece) => begin + image * channels * FLOAT_BYTES;
  return {
    gates,
    factorsOf: (piece: Piece) => vectorsAt(factors, piece),
    /** Makes factor·σ(logits) of a piece. */
    sigmoidOf: (piece: Piece, factor: number): void => {
      const { image, from, positions } = piece;
      const own = values + (image * width + from) * FLOAT_BYTES;
      joinLogits(own, positions, channels, vectorsAt(factors, piece), vectorsAt(offsets, piece), gates);
      activate(gates, positions * channels, gateKind('sigmoid'), factor, gates, scratch);
    },
  };
}
