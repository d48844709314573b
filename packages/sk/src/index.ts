import { serialization } from '@tensorflow/tfjs-core';
import { SelectiveKernel } from './selective-kernel.js';
import { SelectiveKernelUnit } from './selective-kernel-unit.js';

for (const layer of [SelectiveKernel, SelectiveKernelUnit]) serialization.registerClass(layer);

export { SelectiveKernel, selectiveKernel, type SelectiveKernelOptions } from './selective-kernel.js';
export { SelectiveKernelUnit, selectiveKernelUnit, type SelectiveKernelUnitOptions } from './selective-kernel-unit.js';
