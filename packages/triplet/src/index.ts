import { serialization } from '@tensorflow/tfjs-core';
import { TripletAttention } from './triplet-attention.js';

serialization.registerClass(TripletAttention);

export { TripletAttention, tripletAttention, type TripletAttentionOptions } from './triplet-attention.js';
