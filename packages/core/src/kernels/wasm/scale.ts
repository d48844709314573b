import type { TensorInfo } from '@tensorflow/tfjs-core';
import { channelsOf, sizeOf } from '../../shapes.js';
import type { Form, Inputs } from '../kernel.js';
import { gatesOf, layoutOf } from '../scale-layout.js';
import type { GateGradientInputs, GateGradientRule, GateRule, ScaleInputs } from '../scale.js';
import { addressOf, FLOAT_BYTES, withScratch, type WasmBackend } from './backend.js';
import { programOf } from './program.js';
import { SCALE } from './scale-binary.js';
import { gateKind, gateProgram } from './scale-gate.js';
import { forEachPiece, NOWHERE, placeOf, prepare, scratchBytes, slotsOf, walkOf, type Slots } from './scale-walk.js';

type ScaleRows = (
  x: number,
  positions: number,
  channels: number,
  first: number,
  firstCount: number,
  second: number,
  secondCount: number,
  width: number,
  values: number,
  base: number,
  out: number,
) => void;

/** scale.as */
interface Scale {
  readonly scaleByValue: ScaleRows;
  readonly scaleByFirst: ScaleRows;
  readonly scaleByProductOfOne: ScaleRows;
  readonly scaleByProductOfTwo: ScaleRows;
  readonly scaleBySum: ScaleRows;
  readonly shift: (x: number, positions: number, channels: number, offset: number, out: number) => void;
  readonly scalePair: (x: number, y: number, positions: number, channels: number, first: number, second: number, out: number) => void;
  readonly joinLogits: (values: number, positions: number, channels: number, factors: number, offsets: number, logits: number) => void;
  readonly sumVectors: (
    dy: number,
    x: number,
    positions: number,
    channels: number,
    sums: number,
    count: number,
    other: number,
    otherCount: number,
    width: number,
    values: number,
  ) => void;
  readonly sumChannels: (
    dy: number,
    x: number,
    positions: number,
    channels: number,
    sums: number,
    first: number,
    firstCount: number,
    second: number,
    secondCount: number,
    width: number,
  ) => void;
}

export const scaleProgram = programOf<Scale>(SCALE);

/** The kernel on wasm. */
export const wasmScale: Form<WasmBackend, ScaleInputs, GateRule> = { canRun, fits, run: scaleByGates };

/** The gradient's kernel on wasm. */
export const wasmGateGradient: Form<WasmBackend, GateGradientInputs, GateGradientRule> = {
  canRun,
  // Of a gate as large as the map there is nothing to sum.
  fits: (inputs, rule) => fits(inputs, rule) && gatesOf(inputs)[rule.of].size < inputs.x.size,
  run: sumForGate,
};

function canRun(backend: WasmBackend): boolean {
  return scaleProgram.canRun(backend) && gateProgram.canRun(backend);
}

function fits({ x, ...gates }: ScaleInputs, { activation, mean, residual }: GateRule): boolean {
  const list = gatesOf(gates);
  const layouts = list.map((gate) => layoutOf(x.shape, gate.shape));
  if (x.size === 0 || layouts.some((layout) => layout === undefined)) return false;
  const scalars = layouts.filter((layout) => layout?.scalar).length;
  const vectors = layouts.length - scalars;
  if (scalars > 1 || (mean ? vectors !== 2 : vectors > 2)) return false;
  // A product of two maps is XNNPACK's; and values of a gate as large as the map would take as much memory again.
  if ((activation || mean || (vectors === 1 && scalars === 0 && !residual)) && list.some((gate) => gate.size >= x.size)) return false;
  // Of one channel, XNNPACK takes several positions at once.
  return channelsOf(x) > 1 || !walkOf(x.shape, list).flat;
}

function scaleByGates(backend: WasmBackend, { x, ...inputs }: Inputs<ScaleInputs>, rule: GateRule): TensorInfo {
  const gates = gatesOf(inputs);
  const walk = walkOf(x.shape, gates);
  const { channels, width } = walk;
  const base = rule.residual ? 1 : 0;
  return withScratch(backend, scratchBytes(backend, gates, rule), 'scale', (scratch) => {
    const out = backend.makeOutput(x.shape, 'float32');
    const { first, second, values } = slotsOf(prepare(backend, walk, gates, rule, scratch));
    const scaleRows = rowsBy(scaleProgram.on(backend), { first, second, values }, rule);
    const [from, to] = [addressOf(backend, x), addressOf(backend, out)];
    forEachPiece(walk, (piece) => {
      const { at, positions } = piece;
      const [a, b, s] = [first, second, values].map((place) => place.of(piece));
      scaleRows(from + at, positions, channels, a, first.count, b, second.count, width, s, base, to + at);
    });
    return out;
  });
}

/** What there are of gates, a product or a mean, has a function of its own. */
function rowsBy(program: Scale, { first, second, values }: Slots, { mean, residual }: GateRule): ScaleRows {
  if (first === NOWHERE) return program.scaleByValue;
  if (second !== NOWHERE) return mean ? program.scaleBySum : program.scaleByProductOfTwo;
  return values === NOWHERE && !residual ? program.scaleByFirst : program.scaleByProductOfOne;
}

function sumForGate(backend: WasmBackend, { dy, x, ...inputs }: Inputs<GateGradientInputs>, rule: GateGradientRule): TensorInfo {
  const { sumChannels, sumVectors } = scaleProgram.on(backend);
  const { multiplySlopes } = gateProgram.on(backend);
  const gates = gatesOf(inputs);
  const gate = gates[rule.of];
  const walk = walkOf(x.shape, gates);
  const { channels, width } = walk;
  const others = rule.mean ? [] : gates.filter((_, i) => i !== rule.of);
  return withScratch(backend, scratchBytes(backend, others, rule), 'scale', (scratch) => {
    const out = backend.makeOutput(gate.shape, 'float32');
    const { first, second, values } = slotsOf(prepare(backend, walk, others, rule, scratch));
    const [slope, from, to] = [dy, x, out].map((tensor) => addressOf(backend, tensor));
    const size = sizeOf(gate.shape);
    backend.wasm.HEAPU8.fill(0, to, to + size * FLOAT_BYTES);
    const sums = placeOf(walk, gate, to);
    forEachPiece(walk, (piece) => {
      const { at, positions } = piece;
      const [a, b, s] = [first, second, values].map((place) => place.of(piece));
      if (sums.scalar) sumChannels(slope + at, from + at, positions, channels, sums.of(piece), a, first.count, b, second.count, width);
      else sumVectors(slope + at, from + at, positions, channels, sums.of(piece), sums.count, a, first.count, width, s);
    });
    multiplySlopes(to, addressOf(backend, gate), size, gateKind(rule.activation), rule.mean ? 1 / gates.length : 1, scratch);
    return out;
  });
}
