import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { CrissCrossGradientInputs } from '../criss-cross.js';
import type { Form, Inputs } from '../kernel.js';
import { attentionCode, forRows, INVOCATIONS, layoutOf, readsOf, UNDERFLOW, type Attention, type Sum } from './attend-tiles.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { BLOCK, inLines, inVectors, lineReader, linesOf, notItself, OPERANDS, POSITION_OF, type Direction } from './criss-cross-lines.js';

/**
 * The gradients on WebGPU: for the columns and then for the rows a dispatch for the statistics of the softmax, one for the gradient of queries and one
 * for those of keys and values, or one each where their channels are too many. All write to the same flat tensor, and the rows add to the columns.
 */
export const webgpuCrissCrossGradients: Form<WebGPUBackend, CrissCrossGradientInputs> = { fits: inVectors, run };

/** What a dispatch does. */
interface Pass {
  /** Tells its code apart, with what else the code depends on. */
  readonly name: string;
  readonly reads: readonly (keyof CrissCrossGradientInputs)[];
  readonly attention: Omit<Attention, 'bias'>;
  /** WGSL: functions that the attention uses. */
  readonly functions?: string;
  /** WGSL: what is done in the end. */
  readonly after?: string;
}

function run(backend: WebGPUBackend, inputs: Inputs<CrissCrossGradientInputs>): TensorInfo {
  const [d, e] = [inputs.q.shape[3], inputs.v.shape[3]];
  const keysAndValues = layoutOf(d, e) ? [keyPass(d, e)] : [keyPass(d), valuePass(e)];
  let all: TensorInfo | undefined;
  for (const pass of [STATISTICS, queryPass(d), ...keysAndValues]) {
    for (const direction of ['columns', 'rows'] as const) all = passOver(backend, inputs, direction, pass, all);
  }
  return all!;
}

const LINE = { q: inLines(OPERANDS.q), k: inLines(OPERANDS.k), v: inLines(OPERANDS.v), dy: inLines(OPERANDS.dy) };

/** Of each position the logarithm of its sum of exponentials, and Σ dy·y, which is the mean of the gradients of its weights. */
const STATISTICS: Pass = {
  name: 'statistics',
  reads: ['q', 'k', 'y', 'dy'],
  attention: { layout: { across: 8, widths: [], parts: 1 }, scores: { rows: LINE.q, columns: LINE.k }, statistics: 'found', sums: [] },
  functions: `
    fn partOfMean(position : u32, across : u32) -> f32 {
      var sum = 0.0;
      for (var c = across; c < u32(uniforms.e) / 4u; c += ACROSS) { sum += dot(dyAt(0u, position, c), yAt(0u, position, c)); }
      return sum;
    }
    fn storeStatistics(position : u32, logarithm : f32, mean : f32) {
      let at = u32(uniforms.statisticsBegin) + position;
      var joined = logarithm;
      if (uniforms.isLast == 1) {
        let before = result[at].x;
        let most = max(before, logarithm);
        joined = most + log(exp(max(before - most, ${UNDERFLOW})) + exp(max(logarithm - most, ${UNDERFLOW})));
      }
      result[at] = vec4<f32>(joined, mean, 0.0, 0.0);
    }`,
  after: `
    let means = sumAcross(vec4<f32>(${[0, 1, 2, 3].map((i) => `partOfMean(positionOf(image, rows[${i}]), across)`).join(', ')}), lane);
    if (across == 0u && isOwn) {
      ${forRows('u32(uniforms.n)', (row, i) => `storeStatistics(positionOf(image, ${row}), logarithms[${i}], means[${i}]);`)}
    }`,
};

function queryPass(d: number): Pass {
  return {
    name: 'queries',
    reads: ['q', 'k', 'v', 'dy'],
    attention: {
      layout: layoutOf(d)!,
      scores: { rows: LINE.q, columns: LINE.k },
      slopes: { rows: LINE.dy, columns: LINE.v },
      statistics: 'ofRows',
      sums: [sumOf('q', 'dScores', 'k')],
    },
  };
}

/** For keys, and for values too where the channels of these are given. */
function keyPass(d: number, e?: number): Pass {
  return {
    name: 'keys',
    reads: ['q', 'k', 'v', 'dy'],
    attention: {
      layout: layoutOf(...(e === undefined ? [d] : [d, e]))!,
      scores: { rows: LINE.k, columns: LINE.q },
      slopes: { rows: LINE.v, columns: LINE.dy },
      statistics: 'ofColumns',
      sums: [sumOf('k', 'dScores', 'q'), ...(e === undefined ? [] : [sumOf('v', 'softmax', 'dy')])],
    },
  };
}

function valuePass(e: number): Pass {
  return {
    name: 'values',
    reads: ['q', 'k', 'dy'],
    attention: {
      layout: layoutOf(e)!,
      scores: { rows: LINE.k, columns: LINE.q },
      statistics: 'ofColumns',
      sums: [sumOf('v', 'softmax', 'dy')],
    },
  };
}

/** The sum of what is to be stored as the gradient of `of`. */
function sumOf(of: 'q' | 'k' | 'v', weights: Sum['weights'], values: 'q' | 'k' | 'dy'): Sum {
  const { size } = OPERANDS[of];
  const store: Sum['store'] = (row, c, sum) =>
    `if (isOwn) { addTo(u32(uniforms.${of}Begin) + positionOf(image, ${row}) * u32(uniforms.${size}) / 4u + ${c}, ${sum}); }`;
  return { weights, values: `${LINE[values].name}At`, size, store };
}

/** Runs a pass. The first of all makes the tensor, dq, dk, dv and the statistics, a vec4 for each position. */
function passOver(
  backend: WebGPUBackend,
  inputs: Inputs<CrissCrossGradientInputs>,
  direction: Direction,
  { name, reads, attention, functions = '', after = '' }: Pass,
  all?: TensorInfo,
): TensorInfo {
  const { q, k, v } = inputs;
  const operands = reads.map((name) => OPERANDS[name]);
  const { workgroups, integers } = linesOf(q, direction, attention.layout);
  const [kBegin, vBegin, statisticsBegin] = beginsOf([q, k, v]);
  const { key, declarations, body } = attentionCode({ ...attention, bias: notItself });
  return dispatch(
    backend,
    {
      key: `criss_cross_${name}_${key}`,
      reads: readsOf(...operands),
      writes: 4,
      integers: { ...integers, d: q.shape[3], e: v.shape[3], qBegin: 0, kBegin, vBegin, statisticsBegin },
      invocations: INVOCATIONS,
      workgroups,
      shape: [4 * (statisticsBegin + integers['positions'])],
      declarations: `${POSITION_OF} ${operands.map(lineReader).join('')} ${COMMON} ${functions} ${declarations}`,
      body: `
        // Past the limit of workgroups some have the work of others, whose result is not to be added again.
        let isOwn = u32(index) < u32(uniforms.workgroups) * ${INVOCATIONS}u;
        ${BLOCK} ${body} ${after}`,
    },
    reads.map((name) => inputs[name]),
    all,
  );
}

const COMMON = `
  fn statisticsAt(line : u32, query : u32) -> vec2<f32> { return result[u32(uniforms.statisticsBegin) + positionOf(line, query)].xy; }
  fn addTo(at : u32, value : vec4<f32>) {
    if (uniforms.isLast == 1) { result[at] += value; } else { result[at] = value; }
  }`;

/** Where what follows each begins, in vec4s. */
function beginsOf(tensors: readonly TensorInfo[]): number[] {
  let begin = 0;
  return tensors.map(({ shape }) => (begin += sizeOf(shape) / 4));
}
