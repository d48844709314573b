import { serialization } from '@tensorflow/tfjs-core';
import { GatherExcite } from './gather-excite.js';

serialization.registerClass(GatherExcite);

export { GatherExcite, gatherExcite, type GatherExciteOptions, type GatherExciteVariant } from './gather-excite.js';
export type { Extent } from './gather.js';
