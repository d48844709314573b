import { serialization } from '@tensorflow/tfjs-core';
import { BottleneckSelfAttention } from './bottleneck-self-attention.js';
import { BottleneckTransformerBlock } from './bottleneck-transformer-block.js';

serialization.registerClass(BottleneckSelfAttention);
serialization.registerClass(BottleneckTransformerBlock);

export {
  BottleneckSelfAttention,
  bottleneckSelfAttention,
  type BottleneckPositions,
  type BottleneckSelfAttentionOptions,
} from './bottleneck-self-attention.js';
export { BottleneckTransformerBlock, bottleneckTransformerBlock, type BottleneckTransformerBlockOptions } from './bottleneck-transformer-block.js';
