import { serialization } from '@tensorflow/tfjs-core';
import { TemplateBlock } from './template-block.js';

serialization.registerClass(TemplateBlock);

export { TemplateBlock, templateBlock, type TemplateBlockOptions } from './template-block.js';
