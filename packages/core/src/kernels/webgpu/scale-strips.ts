import { sizeOf } from '../../shapes.js';
import type { Form } from '../kernel.js';
import type { StripsInputs, StripsRule } from '../scale-strips.js';
import { dispatch, type WebGPUBackend } from './backend.js';
import { INVOCATIONS, lanesOf } from './contraction.js';
import { gateWgsl } from './scale-gates.js';

/** The kernel on WebGPU: without it, each strip would be cut out in a dispatch of its own. */
export const webgpuScaleByStrips: Form<WebGPUBackend, StripsInputs, StripsRule> = {
  fits: ({ x }) => x.size > 0,
  run: (backend, { x, strips }, { activation }) => {
    const [, height, width, channels] = x.shape;
    const lanes = lanesOf(channels);
    const elements = sizeOf(x.shape) / lanes;
    return dispatch(
      backend,
      {
        key: `scale strips ${lanes} ${activation}`,
        reads: { x: lanes, strips: lanes },
        writes: lanes,
        integers: { height, width, units: channels / lanes, elements },
        invocations: INVOCATIONS,
        workgroups: Math.ceil(elements / INVOCATIONS),
        shape: x.shape,
        declarations: gateWgsl('open', lanes, activation),
        body: `
          let own = i32(group) * ${INVOCATIONS} + i32(lane);
          if (own >= uniforms.elements) { return; }
          let unit = own % uniforms.units;
          let column = own / uniforms.units % uniforms.width;
          let row = own / uniforms.units / uniforms.width % uniforms.height;
          let image = own / uniforms.units / uniforms.width / uniforms.height;
          let first = image * (uniforms.height + uniforms.width);
          let ofRow = strips[(first + row) * uniforms.units + unit];
          let ofColumn = strips[(first + uniforms.height + column) * uniforms.units + unit];
          result[own] = x[own] * (open(ofRow) * open(ofColumn));`,
      },
      [x, strips],
    );
  },
};
