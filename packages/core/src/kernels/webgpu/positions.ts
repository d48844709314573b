import { sizeOf } from '../../shapes.js';
import type { Shader } from './backend.js';
import { INVOCATIONS, lanesOf } from './contraction.js';

// Positions of an invocation: what its channels have for all positions of the image is read once.
const POSITIONS = 4;

/** WGSL of what becomes of each element of a map. */
export interface PositionsCode {
  /** What an invocation has for all its positions: of the element `unit` of the row of channels of an `image`, both i32. */
  readonly shared: string;
  /** The result of an element, at `i` in the map, of a `position` among those of all images, both i32. It may begin with statements of its own. */
  readonly statements?: string;
  readonly result: string;
}

/** Of a shader that makes a map of maps, value by value, all but its name and what it reads. */
export function overPositions(map: readonly number[], code: PositionsCode): Omit<Shader, 'key' | 'reads'> {
  const [images, channels] = [map[0], map.at(-1)!];
  const lanes = lanesOf(channels);
  const units = channels / lanes;
  const positions = sizeOf(map.slice(1, -1));
  const blocks = Math.ceil(positions / POSITIONS);
  return {
    writes: lanes,
    integers: { units, positions, blocks, images },
    invocations: INVOCATIONS,
    workgroups: Math.ceil((images * blocks * units) / INVOCATIONS),
    shape: [...map],
    body: `
      let own = i32(group) * ${INVOCATIONS} + i32(lane);
      let unit = own % uniforms.units;
      let first = own / uniforms.units % uniforms.blocks * ${POSITIONS};
      let image = own / uniforms.units / uniforms.blocks;
      if (image >= uniforms.images) { return; }
      ${code.shared}
      for (var j = first; j < min(first + ${POSITIONS}, uniforms.positions); j++) {
        let position = image * uniforms.positions + j;
        let i = position * uniforms.units + unit;
        ${code.statements ?? ''}
        result[i] = ${code.result};
      }`,
  };
}
