import { serialization } from '@tensorflow/tfjs-core';
import { MultiHeadSelfAttention2D } from './multi-head-self-attention-2d.js';

serialization.registerClass(MultiHeadSelfAttention2D);

export {
  MultiHeadSelfAttention2D,
  multiHeadSelfAttention2D,
  type MultiHeadSelfAttention2DOptions,
  type PositionEncoding,
  type PositionTarget,
} from './multi-head-self-attention-2d.js';
