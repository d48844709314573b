import { serialization } from '@tensorflow/tfjs-core';
import { ResidualAttentionModule } from './residual-attention-module.js';
import { ResidualUnit } from './residual-unit.js';

for (const layer of [ResidualAttentionModule, ResidualUnit]) serialization.registerClass(layer);

export type { Pooling } from './hourglass.js';
export type { MaskAttention } from './mask-attention.js';
export { ResidualAttentionModule, residualAttentionModule, type ResidualAttentionModuleOptions } from './residual-attention-module.js';
export { ResidualUnit, residualUnit, type ResidualUnitOptions } from './residual-unit.js';
