import type { Gate } from '../../activations.js';
import { gridOf, layoutOf, type GateLayout, type Grid } from '../scale-layout.js';
import { lanesOf, typeOf, type Lanes } from './contraction.js';

/** How a shader reads the gates of a map. */
export interface GatesReader {
  /** Tells codes apart. */
  readonly key: string;
  readonly reads: Readonly<Record<string, Lanes>>;
  /** With those of the map: `height`, `width`, `units` (elements of a row of channels). */
  readonly integers: Readonly<Record<string, number>>;
  /** WGSL: the functions `activateValue` of an f32, `activateVector` of an element of the map, and the latter's derivative `slopeOf`. */
  readonly declarations: string;
  /** WGSL: from the number of a `position` among those of all images, `image`, `row` and `column`. */
  readonly places: string;
  /** WGSL: the gates of an element `unit` of a `position`, which lies in an `image` at `row` and `column`. */
  readonly gates: readonly string[];
}

// Bounded, since a GPU need not know infinity.
const ACTIVATIONS: Readonly<Record<Gate | 'none', string>> = {
  none: 'z',
  sigmoid: 'T(1.0) / (T(1.0) + exp(min(-z, T(80.0))))',
  hardSigmoid: 'clamp(z / T(6.0) + T(0.5), T(0.0), T(1.0))',
};

const SLOPES: Readonly<Record<Gate | 'none', string>> = {
  none: 'T(1.0)',
  sigmoid: 'activateVector(z) * (T(1.0) - activateVector(z))',
  hardSigmoid: 'select(T(0.0), T(1.0 / 6.0), abs(z) < T(3.0))',
};

export function gatesReader(map: readonly number[], gates: readonly (readonly number[])[], activation: Gate | 'none' = 'none'): GatesReader {
  const grid = gridOf(map);
  const lanes = lanesOf(grid.channels);
  const layouts = gates.map((gate) => layoutOf(map, gate)!);
  const names = layouts.map((_, i) => `gate${i}`);
  const each = layouts.flatMap(({ rows, columns }, i) => [
    [`${names[i]}Rows`, rows],
    [`${names[i]}Columns`, columns],
  ]);
  const kinds = layouts.map((layout) => kindOf(layout, grid));
  return {
    key: `${lanes} ${activation} ${kinds.join(' ')}`,
    reads: Object.fromEntries(layouts.map(({ scalar }, i) => [names[i], scalar ? 1 : lanes])),
    integers: { height: grid.height, width: grid.width, units: grid.channels / lanes, ...(Object.fromEntries(each) as Record<string, number>) },
    declarations: `
      ${gateWgsl('activateValue', 1, activation)}
      ${gateWgsl('activateVector', lanes, activation)}
      ${functionOf('slopeOf', typeOf(lanes), SLOPES[activation])}`,
    places: `
      let column = position % uniforms.width;
      let row = position / uniforms.width % uniforms.height;
      let image = position / uniforms.width / uniforms.height;`,
    gates: layouts.map(({ scalar }, i) => {
      const place = placeIn(names[i], kinds[i]);
      return scalar ? `activateValue(${names[i]}[${place}])` : `activateVector(${names[i]}[(${place}) * uniforms.units + unit])`;
    }),
  };
}

/** WGSL: a function that makes a gate of its logit, of one or of an element of so many. */
export function gateWgsl(name: string, lanes: Lanes, activation: Gate | 'none' = 'none'): string {
  return functionOf(name, typeOf(lanes), ACTIVATIONS[activation]);
}

function functionOf(name: string, type: string, value: string): string {
  return `fn ${name}(z : ${type}) -> ${type} { return ${value.replaceAll('T(', `${type}(`)}; }`;
}

/** What there is to know of a layout to write the code that finds a gate. */
function kindOf({ rows, columns, scalar, shared }: GateLayout, { height, width }: Grid): string {
  const along = (count: number, size: number) => (count === size ? 'each' : count === 1 ? 'one' : 'nearest');
  return [along(rows, height), along(columns, width), scalar ? 'scalar' : 'vector', shared ? 'shared' : 'own'].join('-');
}

function placeIn(name: string, kind: string): string {
  const [rows, columns, , images] = kind.split('-');
  if (rows === 'each' && columns === 'each' && images === 'own') return 'position';
  const at = { each: (i: string) => i, one: () => '0', nearest: (i: string, count: string, size: string) => `${i} * ${count} / ${size}` };
  const row = at[rows as keyof typeof at]('row', `uniforms.${name}Rows`, 'uniforms.height');
  const column = at[columns as keyof typeof at]('column', `uniforms.${name}Columns`, 'uniforms.width');
  return `(${images === 'own' ? 'image' : '0'} * uniforms.${name}Rows + ${row}) * uniforms.${name}Columns + ${column}`;
}
