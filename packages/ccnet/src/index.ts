import { serialization } from '@tensorflow/tfjs-core';
import { CrissCrossAttention } from './criss-cross-attention.js';
import { RecurrentCrissCrossHead } from './recurrent-criss-cross-head.js';

serialization.registerClass(CrissCrossAttention);
serialization.registerClass(RecurrentCrissCrossHead);

export { CrissCrossAttention, crissCrossAttention, type CrissCrossAttentionOptions } from './criss-cross-attention.js';
export { RecurrentCrissCrossHead, recurrentCrissCrossHead, type RecurrentCrissCrossHeadOptions } from './recurrent-criss-cross-head.js';
