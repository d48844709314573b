import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../../shapes.js';
import type { Form, Inputs } from '../kernel.js';
import type { PoolAttributes, PoolInputs, PoolKind, PoolView, ProductPoolInputs, StripPoolAttributes, WeightedPoolInputs } from '../pool.js';
import { dispatch, type Shader, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf, typeOf, type Lanes } from './contraction.js';
import { joinWgsl, rowSharesOf, sharedWgsl, type RowShares } from './pool-rows.js';

/** The kernels on WebGPU: one dispatch, or two where there are many rows of few columns and images. */
export const webgpuPool: Form<WebGPUBackend, PoolInputs, PoolAttributes> = { run: pool };
export const webgpuStripPools: Form<WebGPUBackend, PoolInputs, StripPoolAttributes> = { run: stripPools };
export const webgpuWeightedPool: Form<WebGPUBackend, WeightedPoolInputs, PoolView> = { run: weightedPool };
export const webgpuProductPool: Form<WebGPUBackend, ProductPoolInputs, PoolView> = { run: productPool };

/** What is summed, and how it is read. */
interface Term {
  readonly key: string;
  readonly reads: Shader['reads'];
  readonly integers?: Record<string, number>;
  /** WGSL: what the element at `i` of row `row` of image `image` gives. */
  readonly value: string;
}

function pool(backend: WebGPUBackend, { x }: Inputs<PoolInputs>, attributes: PoolAttributes): TensorInfo {
  const lanes = lanesOf(attributes.columns);
  const factor = attributes.kinds.includes('sum') ? 1 : 1 / attributes.rows;
  return reduce(backend, [x], { key: '', reads: { x: lanes }, value: 'x[i]' }, attributes, lanes, factor);
}

function weightedPool(backend: WebGPUBackend, { x, weights }: Inputs<WeightedPoolInputs>, view: PoolView): TensorInfo {
  const lanes = lanesOf(view.columns);
  const term = { key: 'weighted', reads: { x: lanes, weights: 1 as const }, value: 'x[i] * weights[image * uniforms.rows + row]' };
  return reduce(backend, [x, weights], term, { ...view, kinds: ['sum'] }, lanes, 1);
}

function productPool(backend: WebGPUBackend, { x, y }: Inputs<ProductPoolInputs>, view: PoolView): TensorInfo {
  const lanes = lanesOf(view.columns);
  const size = sizeOf(y.shape) / lanes;
  const term = { key: 'product', reads: { x: lanes, y: lanes }, integers: { size }, value: 'x[i] * y[i % uniforms.size]' };
  return reduce(backend, [x, y], term, { ...view, kinds: ['sum'] }, lanes, 1);
}

/** All rows at once, or parts of them, whose results are then reduced like rows. */
function reduce(backend: WebGPUBackend, inputs: TensorInfo[], term: Term, attributes: PoolAttributes, lanes: Lanes, factor: number): TensorInfo {
  const { images, rows, columns, kinds, shape } = attributes;
  const shares = rowSharesOf(images, rows, columns / lanes, lanes);
  if (shares.parts === 1) return reduceRows(backend, inputs, term, attributes, lanes, shares, factor);
  const partial = [kinds.length, images, shares.parts, columns];
  const parts = reduceRows(backend, inputs, term, { ...attributes, shape: partial }, lanes, shares, 1);
  const plane = sizeOf(partial.slice(1)) / lanes;
  const { width, blocks } = rowSharesOf(images, shares.parts, columns / lanes, lanes);
  const whole = { width, blocks, part: shares.parts, parts: 1 };
  const joined: Term = { key: 'parts', reads: { x: lanes }, integers: { plane }, value: 'x[i]' };
  const result = reduceRows(backend, [parts], joined, { images, rows: shares.parts, columns, kinds, shape }, lanes, whole, factor);
  backend.disposeData(parts.dataId);
  return result;
}

function reduceRows(
  backend: WebGPUBackend,
  inputs: TensorInfo[],
  term: Term,
  { images, rows, columns, kinds, shape }: PoolAttributes,
  lanes: Lanes,
  { width, blocks, part, parts }: RowShares,
  factor: number,
): TensorInfo {
  const shader = poolShader(kinds, lanes, term);
  return dispatch(
    backend,
    {
      ...shader,
      key: `pool rows ${shader.key}`,
      integers: { ...term.integers, images, rows, units: columns / lanes, width, blocks, part, parts },
      floats: { factor },
      workgroups: images * parts * blocks,
      shape,
      body: `
        let across = i32(lane) % uniforms.width;
        let unit = i32(group) % uniforms.blocks * uniforms.width + across;
        let number = i32(group) / uniforms.blocks;
        let image = number / uniforms.parts;
        let first = number % uniforms.parts * uniforms.part;
        let end = min(first + uniforms.part, uniforms.rows);
        let base = image * uniforms.rows * uniforms.units + min(unit, uniforms.units - 1);
        let step = uniforms.units;
        let factor = uniforms.factor;
        let to = number * uniforms.units + unit;
        let results = uniforms.images * uniforms.parts * uniforms.units;
        ${shader.body}`,
    },
    inputs,
  );
}

function stripPools(backend: WebGPUBackend, { x }: Inputs<PoolInputs>, { kinds }: StripPoolAttributes): TensorInfo {
  const [images, height, width, channels] = x.shape as [number, number, number, number];
  const lanes = lanesOf(channels);
  const units = channels / lanes;
  const strips = images * (height + width);
  const shares = rowSharesOf(strips, Math.max(height, width), units, lanes);
  const shader = poolShader(kinds, lanes, { key: '', reads: { x: lanes }, value: 'x[i]' });
  return dispatch(
    backend,
    {
      ...shader,
      key: `pool strips ${shader.key}`,
      integers: { strips, mapHeight: height, mapWidth: width, units, width: shares.width, blocks: shares.blocks },
      workgroups: strips * shares.blocks,
      shape: [kinds.length, images, height + width, channels],
      body: `
        let across = i32(lane) % uniforms.width;
        let unit = i32(group) % uniforms.blocks * uniforms.width + across;
        let number = i32(group) / uniforms.blocks;
        let image = number / (uniforms.mapHeight + uniforms.mapWidth);
        let strip = number % (uniforms.mapHeight + uniforms.mapWidth);
        // First the rows of the map, then its columns.
        let isRow = strip < uniforms.mapHeight;
        let start = image * uniforms.mapHeight * uniforms.mapWidth + select(strip - uniforms.mapHeight, strip * uniforms.mapWidth, isRow);
        let base = start * uniforms.units + min(unit, uniforms.units - 1);
        let step = select(uniforms.mapWidth, 1, isRow) * uniforms.units;
        let first = 0;
        let end = select(uniforms.mapHeight, uniforms.mapWidth, isRow);
        let factor = 1.0 / f32(end);
        let to = number * uniforms.units + unit;
        let results = uniforms.strips * uniforms.units;
        ${shader.body}`,
    },
    [x],
  );
}

/**
 * What poolings of rows have in common. Before its `body` come: `across`, the place of an invocation in the workgroup; `unit`, that in a row; the
 * elements `base + row * step` for rows from `first` to `end`; the `factor` of sums; and where results go, `to`, each kind's so many `results` apart.
 */
function poolShader(kinds: readonly (PoolKind | 'sum')[], lanes: Lanes, { key, reads, value }: Term) {
  const places = kinds.map((kind, place) => ({ max: kind === 'max', place }));
  const sum = places.find(({ max }) => !max);
  const top = places.find(({ max }) => max);
  const element = typeOf(lanes);
  // The parts of several kinds lie one plane apart.
  const at = (place: number) => (key === 'parts' && place > 0 ? value.replace('[i]', '[i + uniforms.plane]') : value);
  const same = sum && top && key !== 'parts';
  return {
    key: `${key} ${kinds.map((kind) => (kind === 'max' ? 'max' : 'sum')).join(' ')} ${lanes}`,
    reads,
    writes: lanes,
    invocations: INVOCATIONS,
    declarations: [...(sum ? [sharedWgsl('sums', lanes)] : []), ...(top ? [sharedWgsl('tops', lanes)] : [])].join('\n'),
    body: `
      let own = first + i32(lane) / uniforms.width;
      var row = min(own, end - 1);
      var i = base + row * step;
      ${same ? `let value = ${value};` : ''}
      // Without a row of its own an invocation adds nothing, and takes part in maxima with one that is another's.
      ${sum ? `var sum = select(${element}(), ${same ? 'value' : at(sum.place)}, own < end);` : ''}
      ${top ? `var top = ${same ? 'value' : at(top.place)};` : ''}
      for (row = own + ${INVOCATIONS} / uniforms.width; row < end; row += ${INVOCATIONS} / uniforms.width) {
        i = base + row * step;
        ${same ? `let value = ${value};` : ''}
        ${sum ? `sum += ${same ? 'value' : at(sum.place)};` : ''}
        ${top ? `top = max(top, ${same ? 'value' : at(top.place)});` : ''}
      }
      ${joinWgsl(
        'uniforms.width',
        `${sum ? 'sums[at] = sum;' : ''} ${top ? 'tops[at] = top;' : ''}`,
        `${sum ? 'sum += sums[at];' : ''} ${top ? 'top = max(top, tops[at]);' : ''}`,
      )}
      if (i32(lane) < uniforms.width && unit < uniforms.units) {
        ${sum ? `result[to + ${sum.place} * results] = sum * factor;` : ''}
        ${top ? `result[to + ${top.place} * results] = top;` : ''}
      }`,
  } as const;
}
