import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CrissCrossInputs } from '../criss-cross.js';
import type { Form, Inputs } from '../kernel.js';
import { attentionCode, forRows, INVOCATIONS, layoutOf, readsOf, UNDERFLOW, vectorsIn, writer } from './attend-tiles.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { BLOCK, inLines, lineReader, linesOf, notItself, POSITION_OF, positionsIn } from './criss-cross-lines.js';

/** The attention on WebGPU: one dispatch for the columns, and one for the rows, which adds what the columns gave. */
export const webgpuCrissCross: Form<WebGPUBackend, CrissCrossInputs> = { run };

function run(backend: WebGPUBackend, inputs: Inputs<CrissCrossInputs>): TensorInfo {
  const ofColumns = gather(backend, inputs);
  const result = gather(backend, inputs, ofColumns);
  backend.disposeData(ofColumns.dataId);
  return result;
}

/**
 * What positions gather in their columns, `[positions, E, padding, 4]`, where behind the values of each is the logarithm of its sum of exponentials. Or,
 * given that, what they gather in columns and rows.
 */
function gather(backend: WebGPUBackend, { q, k, v }: Inputs<CrissCrossInputs>, ofColumns?: TensorInfo): TensorInfo {
  const [d, e] = [q.shape[3], v.shape[3]];
  const layout = layoutOf(e)!;
  const { workgroups, integers } = linesOf(q, ofColumns ? 'rows' : 'columns', layout);
  const tensors = [positionsIn('q', 'd', q), positionsIn('k', 'd', k), positionsIn('v', 'e', v)] as const;
  const [queries, keys, values] = tensors.map(inLines);
  const stored = ofColumns ? e : 4 * vectorsIn(e) + 4;
  const results = { name: 'store', count: 'positions', size: 'stored', vectors: stored % 4 === 0 };
  const { key, declarations, body } = attentionCode({
    layout,
    scores: { rows: queries, columns: keys },
    bias: ofColumns ? undefined : notItself,
    statistics: 'found',
    sums: [{ weights: 'softmax', values: `${values.name}At`, size: 'e', store: ofColumns ? storeJoined : storeSum }],
  });
  return dispatch(
    backend,
    {
      key: `criss_cross_${ofColumns ? 'rows' : 'columns'}_${key}_${tensors[2].vectors}`,
      reads: { ...readsOf(...tensors), ...(ofColumns && { ofColumns: 4 }) },
      writes: results.vectors ? 4 : 1,
      integers: { ...integers, d, e, stored },
      invocations: INVOCATIONS,
      workgroups,
      shape: ofColumns ? v.shape : [integers['positions'], stored],
      declarations: `${POSITION_OF} ${tensors.map(lineReader).join('')} ${writer(results)} ${ofColumns ? JOIN : ''} ${declarations}`,
      body: `${BLOCK} ${body} ${ofColumns ? '' : STORE_LOGARITHMS}`,
    },
    ofColumns ? [q, k, v, ofColumns] : [q, k, v],
  );
}

function storeSum(row: string, c: string, sum: string): string {
  return `store(0u, positionOf(image, ${row}), ${c}, ${sum});`;
}

const STORE_LOGARITHMS = `
  if (part == 0u && across == 0u) {
    ${forRows('u32(uniforms.n)', (row, i) => storeSum(row, 'u32(uniforms.stored) / 4u - 1u', `vec4<f32>(logarithms[${i}])`))}
  }`;

function storeJoined(row: string, c: string, sum: string): string {
  const logarithm = `dot(select(vec4<f32>(), logarithms, rows == vec4<u32>(${row})), vec4<f32>(1.0))`;
  return storeSum(row, c, `join(positionOf(image, ${row}), ${c}, ${sum}, ${logarithm})`);
}

/** WGSL: the result of a position's row and that of its column, each as much as its share of the sum of exponentials. */
const JOIN = `
  fn join(position : u32, c : u32, sum : vec4<f32>, logarithm : f32) -> vec4<f32> {
    let vectors = (u32(uniforms.e) + 3u) / 4u;
    let first = position * (vectors + 1u);
    let before = ofColumns[first + vectors].x;
    let most = max(before, logarithm);
    let weights = exp(max(vec2<f32>(before, logarithm) - most, vec2<f32>(${UNDERFLOW})));
    return (weights.x * ofColumns[first + c] + weights.y * sum) / (weights.x + weights.y);
  }`;
