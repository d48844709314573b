import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { Form, Inputs } from '../kernel.js';
import { gatesOf, gridOf, layoutOf } from '../scale-layout.js';
import type { GateGradientInputs, GateGradientRule, GateRule, ScaleInputs } from '../scale.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf, typeOf } from './contraction.js';
import { gatesReader } from './scale-gates.js';

// Positions of an invocation: what a gate has for all of them is read once.
const POSITIONS = 4;

/** The kernel on WebGPU. */
export const webgpuScale: Form<WebGPUBackend, ScaleInputs, GateRule> = {
  fits: ({ x, ...gates }) => x.size > 0 && gatesOf(gates).every((gate) => layoutOf(x.shape, gate.shape)),
  run: scaleByGates,
};

function scaleByGates(backend: WebGPUBackend, { x, ...inputs }: Inputs<ScaleInputs>, { activation, mean, residual }: GateRule): TensorInfo {
  const gates = gatesOf(inputs);
  const channels = x.shape.at(-1)!;
  const lanes = lanesOf(channels);
  const positions = sizeOf(x.shape) / channels;
  const reader = gatesReader(
    x.shape,
    gates.map(({ shape }) => shape),
    activation,
  );
  const joined = mean ? `(${reader.gates.join(' + ')}) / ${gates.length}.0` : reader.gates.join(' * ');
  return dispatch(
    backend,
    {
      key: `scale ${reader.key} ${mean} ${residual}`,
      reads: { x: lanes, ...reader.reads },
      writes: lanes,
      integers: { ...reader.integers, positions },
      invocations: INVOCATIONS,
      workgroups: Math.ceil(((channels / lanes) * Math.ceil(positions / POSITIONS)) / INVOCATIONS),
      shape: x.shape,
      declarations: reader.declarations,
      body: `
        let own = i32(group) * ${INVOCATIONS} + i32(lane);
        let unit = own % uniforms.units;
        let first = own / uniforms.units * ${POSITIONS};
        for (var position = first; position < min(first + ${POSITIONS}, uniforms.positions); position++) {
          ${reader.places}
          let i = position * uniforms.units + unit;
          result[i] = x[i] * (${joined}${residual ? ' + 1.0' : ''});
        }`,
    },
    [x, ...gates],
  );
}

/** The gradient's kernel on WebGPU, where each value of the gate has a few pixels. */
export const webgpuGateGradient: Form<WebGPUBackend, GateGradientInputs, GateGradientRule> = { fits: isOfRegions, run: sumOfRegions };

// What an invocation adds up alone, at most.
const PIXELS = 128;

function isOfRegions({ x, first, second, third }: GateGradientInputs, { of }: GateGradientRule): boolean {
  const { images, height, width } = gridOf(x.shape);
  const layouts = gatesOf({ first, second, third }).map((gate) => layoutOf(x.shape, gate.shape));
  const own = layouts[of];
  if (!own || !layouts.every((layout) => layout) || own.scalar || own.shared) return false;
  return images > 0 && own.rows * own.columns > 1 && height * width <= own.rows * own.columns * PIXELS;
}

function sumOfRegions(backend: WebGPUBackend, { dy, x, ...inputs }: Inputs<GateGradientInputs>, rule: GateGradientRule): TensorInfo {
  const { activation, mean, of } = rule;
  const gates = gatesOf(inputs);
  const gate = gates[of];
  const { rows, columns } = layoutOf(x.shape, gate.shape)!;
  const others = mean ? [] : gates.filter((_, i) => i !== of);
  const lanes = lanesOf(x.shape.at(-1)!);
  const size = sizeOf(gate.shape) / lanes;
  const reader = gatesReader(
    x.shape,
    others.map(({ shape }) => shape),
    activation,
  );
  const logits = activation ? [gate] : [];
  return dispatch(
    backend,
    {
      key: `scaleRegions ${reader.key} ${mean}`,
      reads: { dy: lanes, x: lanes, ...reader.reads, ...(activation && { logits: lanes }) },
      writes: lanes,
      integers: { ...reader.integers, rows, columns, size },
      floats: { share: mean ? 1 / gates.length : 1 },
      invocations: INVOCATIONS,
      workgroups: Math.ceil(size / INVOCATIONS),
      shape: gate.shape,
      declarations: reader.declarations,
      body: `
        let own = i32(group) * ${INVOCATIONS} + i32(lane);
        if (own >= uniforms.size) { return; }
        let unit = own % uniforms.units;
        let j = own / uniforms.units % uniforms.columns;
        let i = own / uniforms.units / uniforms.columns % uniforms.rows;
        let image = own / uniforms.units / uniforms.columns / uniforms.rows;
        var sum = ${typeOf(lanes)}(0.0);
        for (var row = ${firstOf('i', 'rows', 'height')}; row < ${firstOf('(i + 1)', 'rows', 'height')}; row++) {
          for (var column = ${firstOf('j', 'columns', 'width')}; column < ${firstOf('(j + 1)', 'columns', 'width')}; column++) {
            let position = (image * uniforms.height + row) * uniforms.width + column;
            let at = position * uniforms.units + unit;
            sum += ${['dy[at]', 'x[at]', ...reader.gates].join(' * ')};
          }
        }
        result[own] = sum * uniforms.share${activation ? ' * slopeOf(logits[own])' : ''};`,
    },
    [dy, x, ...others, ...logits],
  );
}

/** WGSL: the first pixel of a gate's value number `index`, of so many along an axis. */
function firstOf(index: string, count: string, size: string): string {
  return `(${index} * uniforms.${size} + uniforms.${count} - 1) / uniforms.${count}`;
}
