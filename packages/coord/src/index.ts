import { serialization } from '@tensorflow/tfjs-core';
import { CoordinateAttention } from './coordinate-attention.js';

serialization.registerClass(CoordinateAttention);

export { CoordinateAttention, coordinateAttention, type CoordinateAttentionOptions } from './coordinate-attention.js';
