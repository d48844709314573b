import { serialization } from '@tensorflow/tfjs-core';
import { NonLocal } from './non-local.js';

serialization.registerClass(NonLocal);

export { NonLocal, nonLocal, type Mode, type NonLocalOptions, type Norm, type Subsample } from './non-local.js';
