import { serialization } from '@tensorflow/tfjs-core';
import { GlobalLocalAttention } from './global-local-attention.js';

serialization.registerClass(GlobalLocalAttention);

export { GlobalLocalAttention, globalLocalAttention, type GlobalLocalAttentionOptions } from './global-local-attention.js';
