import { serialization } from '@tensorflow/tfjs-core';
import { GlobalSecondOrderBottleneck } from './global-second-order-bottleneck.js';
import { GlobalSecondOrderPooling } from './global-second-order-pooling.js';
import { PositionSecondOrderPooling } from './position-second-order-pooling.js';

for (const layer of [GlobalSecondOrderBottleneck, GlobalSecondOrderPooling, PositionSecondOrderPooling]) serialization.registerClass(layer);

export {
  GlobalSecondOrderBottleneck,
  globalSecondOrderBottleneck,
  type GlobalSecondOrderBottleneckOptions,
  type SecondOrderAttention,
} from './global-second-order-bottleneck.js';
export { GlobalSecondOrderPooling, globalSecondOrderPooling, type GlobalSecondOrderPoolingOptions } from './global-second-order-pooling.js';
export { PositionSecondOrderPooling, positionSecondOrderPooling, type PositionSecondOrderPoolingOptions } from './position-second-order-pooling.js';
