import { serialization } from '@tensorflow/tfjs-core';
import { SqueezeExcite } from './squeeze-excite.js';

serialization.registerClass(SqueezeExcite);

export { SqueezeExcite, squeezeExcite, type SqueezeExciteOptions } from './squeeze-excite.js';
