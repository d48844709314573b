import { serialization } from '@tensorflow/tfjs-core';
import { EfficientChannelAttention } from './efficient-channel-attention.js';

serialization.registerClass(EfficientChannelAttention);

export { EfficientChannelAttention, efficientChannelAttention, type EfficientChannelAttentionOptions } from './efficient-channel-attention.js';
