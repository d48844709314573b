import { serialization } from '@tensorflow/tfjs-core';
import { SeaFormerBlock } from './sea-former-block.js';
import { SqueezeAxialAttention } from './squeeze-axial-attention.js';

serialization.registerClass(SqueezeAxialAttention);
serialization.registerClass(SeaFormerBlock);

export { SeaFormerBlock, seaFormerBlock, type SeaFormerBlockOptions } from './sea-former-block.js';
export { SqueezeAxialAttention, squeezeAxialAttention, type SqueezeAxialAttentionOptions } from './squeeze-axial-attention.js';
