import { serialization } from '@tensorflow/tfjs-core';
import { ChannelAffinityAttention } from './channel-affinity-attention.js';
import { DualAttentionHead } from './dual-attention-head.js';
import { PositionAttention } from './position-attention.js';

serialization.registerClass(PositionAttention);
serialization.registerClass(ChannelAffinityAttention);
serialization.registerClass(DualAttentionHead);

export {
  ChannelAffinityAttention,
  channelAffinityAttention,
  type Affinity,
  type ChannelAffinityAttentionOptions,
} from './channel-affinity-attention.js';
export { DualAttentionHead, dualAttentionHead, type DualAttentionHeadOptions } from './dual-attention-head.js';
export { PositionAttention, positionAttention, type PositionAttentionOptions } from './position-attention.js';
