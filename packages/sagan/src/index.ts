import { serialization } from '@tensorflow/tfjs-core';
import { SelfAttention2D } from './self-attention-2d.js';
import { SpectralNorm } from './spectral-norm.js';

serialization.registerClass(SelfAttention2D);
serialization.registerClass(SpectralNorm);

export { SelfAttention2D, selfAttention2D, type SelfAttention2DOptions } from './self-attention-2d.js';
export { SpectralNorm, spectralNorm, type SpectralNormArgs, type SpectralNormOptions } from './spectral-norm.js';
