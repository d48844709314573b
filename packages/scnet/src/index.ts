import { serialization } from '@tensorflow/tfjs-core';
import { SelfCalibratedBottleneck } from './self-calibrated-bottleneck.js';
import { SelfCalibratedConv } from './self-calibrated-conv.js';

serialization.registerClass(SelfCalibratedBottleneck);
serialization.registerClass(SelfCalibratedConv);

export {
  SelfCalibratedBottleneck,
  selfCalibratedBottleneck,
  type SelfCalibratedBottleneckOptions,
  type SelfCalibratedBottleneckShortcut,
} from './self-calibrated-bottleneck.js';
export { SelfCalibratedConv, selfCalibratedConv, type SelfCalibratedConvOptions } from './self-calibrated-conv.js';
