import { serialization } from '@tensorflow/tfjs-core';
import { AxialAttention } from './axial-attention.js';
import { AxialBlock } from './axial-block.js';
import { PositionSensitiveAxialAttention } from './position-sensitive-axial-attention.js';

serialization.registerClass(AxialAttention);
serialization.registerClass(PositionSensitiveAxialAttention);
serialization.registerClass(AxialBlock);

export { AxialAttention, axialAttention, type AxialAttentionOptions } from './axial-attention.js';
export { AxialBlock, axialBlock, type AxialBlockOptions, type AxialBlockShortcut } from './axial-block.js';
export {
  PositionSensitiveAxialAttention,
  positionSensitiveAxialAttention,
  type PositionSensitiveAxialAttentionOptions,
} from './position-sensitive-axial-attention.js';
