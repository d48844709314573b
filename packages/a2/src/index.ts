import { serialization } from '@tensorflow/tfjs-core';
import { DoubleAttention } from './double-attention.js';

serialization.registerClass(DoubleAttention);

export { DoubleAttention, doubleAttention, type DoubleAttentionOptions } from './double-attention.js';
