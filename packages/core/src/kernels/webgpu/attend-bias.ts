import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { AttendInputs } from '../attend.js';
import type { Inputs } from '../kernel.js';

/** How a shader reads the bias of attention. */
export interface BiasReader {
  /** Tells codes apart. */
  readonly key: 'none' | 'full' | 'plane';
  readonly inputs: readonly TensorInfo[];
  readonly reads: Readonly<Record<string, 1>>;
  readonly integers: Readonly<Record<string, number>>;
  /** WGSL: the function of (image, query, key) that gives the bias of a score. Nothing where there is none. */
  readonly code: string;
}

export function biasReader({ bias, rowBias }: Pick<Inputs<AttendInputs>, 'bias' | 'rowBias'>): BiasReader {
  if (!bias) return { key: 'none', inputs: [], reads: {}, integers: {}, code: '' };
  const at = (name: string) => `u32(uniforms.${name}Image) * image + u32(uniforms.${name}Query) * query`;
  if (!rowBias) {
    return {
      key: 'full',
      inputs: [bias],
      reads: { bias: 1 },
      integers: strides('bias', bias),
      code: `fn biasAt(image : u32, query : u32, key : u32) -> f32 { return bias[${at('bias')} + key]; }`,
    };
  }
  return {
    key: 'plane',
    inputs: [bias, rowBias],
    reads: { bias: 1, rowBias: 1 },
    integers: { ...strides('bias', bias), ...strides('rowBias', rowBias), width: bias.shape[2] },
    code: `
      fn biasAt(image : u32, query : u32, key : u32) -> f32 {
        let width = u32(uniforms.width);
        return bias[${at('bias')} + key % width] + rowBias[${at('rowBias')} + key / width];
      }`,
  };
}

/** How far apart the values of images and of queries are: 0 for what they share. */
function strides(name: string, { shape: [images, queries, values] }: TensorInfo): Record<string, number> {
  return {
    [`${name}Image`]: images > 1 ? queries * values : 0,
    [`${name}Query`]: queries > 1 ? values : 0,
  };
}
