import { serialization } from '@tensorflow/tfjs-core';
import { GlobalContext } from './global-context.js';
import { SimplifiedNonLocal } from './simplified-non-local.js';

serialization.registerClass(GlobalContext);
serialization.registerClass(SimplifiedNonLocal);

export { GlobalContext, globalContext, type Fusion, type GlobalContextOptions, type Pooling } from './global-context.js';
export { SimplifiedNonLocal, simplifiedNonLocal } from './simplified-non-local.js';
