import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CrissCrossInputs } from '../criss-cross.js';
import type { Form, Inputs } from '../kernel.js';
import { attentionCode, forRows, INVOCATIONS, layoutOf, readsOf, UNDERFLOW } from './attend-tiles.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { BLOCK, inLines, inVectors, lineReader, linesOf, notItself, OPERANDS, POSITION_OF } from './criss-cross-lines.js';

/** The attention on WebGPU: one dispatch for the columns, and one for the rows, which adds what the columns gave. */
export const webgpuCrissCross: Form<WebGPUBackend, CrissCrossInputs> = { fits: inVectors, run };

const { q: QUERIES, k: KEYS, v: VALUES } = OPERANDS;

function run(backend: WebGPUBackend, inputs: Inputs<CrissCrossInputs>): TensorInfo {
  const ofColumns = gather(backend, inputs);
  const result = gather(backend, inputs, ofColumns);
  backend.disposeData(ofColumns.dataId);
  return result;
}

/**
 * What positions gather in their columns, `[positions, E + 4]`, where behind the values of each is the logarithm of its sum of exponentials. Or, given
 * that, what they gather in columns and rows.
 */
function gather(backend: WebGPUBackend, { q, k, v }: Inputs<CrissCrossInputs>, ofColumns?: TensorInfo): TensorInfo {
  const [d, e] = [q.shape[3], v.shape[3]];
  const layout = layoutOf(e)!;
  const { workgroups, integers } = linesOf(q, ofColumns ? 'rows' : 'columns', layout);
  const { key, declarations, body } = attentionCode({
    layout,
    scores: { rows: inLines(QUERIES), columns: inLines(KEYS) },
    bias: notItself,
    statistics: 'found',
    sums: [{ weights: 'softmax', values: `${inLines(VALUES).name}At`, size: 'e', store: storeSum }],
  });
  return dispatch(
    backend,
    {
      key: `criss_cross_${key}`,
      reads: { ...readsOf(QUERIES, KEYS, VALUES), ofColumns: 4 },
      writes: 4,
      integers: { ...integers, d, e },
      invocations: INVOCATIONS,
      workgroups,
      shape: ofColumns ? v.shape : [integers['positions'], e + 4],
      declarations: `${POSITION_OF} ${[QUERIES, KEYS, VALUES].map(lineReader).join('')} ${STORE} ${declarations}`,
      body: `
        ${BLOCK} ${body}
        if (uniforms.isLast == 0 && part == 0u && across == 0u) { ${forRows('u32(uniforms.n)', storeLogarithm)} }`,
    },
    // Of columns nothing is read there, but something has to be.
    [q, k, v, ofColumns ?? v],
  );
}

function storeSum(row: string, c: string, sum: string): string {
  const logarithm = `dot(select(vec4<f32>(), logarithms, rows == vec4<u32>(${row})), vec4<f32>(1.0))`;
  return `storeSum(positionOf(image, ${row}), ${c}, ${sum}, ${logarithm});`;
}

function storeLogarithm(row: string, i: number): string {
  return `result[positionOf(image, ${row}) * (u32(uniforms.e) / 4u + 1u) + u32(uniforms.e) / 4u] = vec4<f32>(logarithms[${i}]);`;
}

/** WGSL: a row's sum is joined with that of the column, each as much as its share of the sum of exponentials. */
const STORE = `
  fn storeSum(position : u32, c : u32, sum : vec4<f32>, logarithm : f32) {
    let vectors = u32(uniforms.e) / 4u;
    let first = position * (vectors + 1u);
    if (uniforms.isLast == 0) {
      result[first + c] = sum;
    } else {
      let before = ofColumns[first + vectors].x;
      let most = max(before, logarithm);
      let weights = exp(max(vec2<f32>(before, logarithm) - most, vec2<f32>(${UNDERFLOW})));
      result[position * vectors + c] = (weights.x * ofColumns[first + c] + weights.y * sum) / (weights.x + weights.y);
    }
  }`;
