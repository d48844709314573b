import { serialization } from '@tensorflow/tfjs-core';
import { AttentionAugmentedConv } from './attention-augmented-conv.js';

serialization.registerClass(AttentionAugmentedConv);

export { AttentionAugmentedConv, attentionAugmentedConv, type AttentionAugmentedConvOptions } from './attention-augmented-conv.js';
